# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The YOLOX teacher: hand-made outputs and networks, and the published one where it is."""

from pathlib import Path

import numpy as np
import pytest

from mcn_ros.data.coco import CocoDataset
from mcn_ros.evaluation.scorers import InstancesScorer
from mcn_ros.runtime.teachers.onnx_network import OnnxNetwork
from mcn_ros.runtime.teachers.yolox import cells, decode, mirror, suppress, YoloxTeacher
from mcn_ros.tasks import DetectionTask
from mcn_ros.vocabulary import COCO_CLASSES

SHARED = Path(__file__).resolve().parents[4] / 'shared' / 'data'
SIZE = (64, 96)
NUM_CELLS = 8 * 12 + 4 * 6 + 2 * 3
NUMBERS = 5 + len(COCO_CLASSES)


def output(row, values):
    """Return the output of a network that finds one thing, in one cell."""
    found = np.zeros((NUM_CELLS, NUMBERS), np.float32)
    found[row, :4] = values
    found[row, [4, 5 + COCO_CLASSES.index('dog')]] = 0.9, 0.8
    return found


@pytest.fixture
def write_network(write_onnx):
    """Return a function that writes a network whose objectness grows with blue."""
    mask = np.arange(NUMBERS) == 4
    return lambda path, values, size=SIZE: write_onnx(
        path, {'output': values}, size, {'output': mask[:values.shape[1]]})


@pytest.mark.parametrize('row, place', [
    (0, (0, 0, 8)), (13, (1, 1, 8)), (96, (0, 0, 16)), (96 + 7, (1, 1, 16)), (125, (2, 1, 32))])
def test_rows_are_cells_of_three_grids(row, place):
    assert len(cells(SIZE)) == NUM_CELLS
    np.testing.assert_array_equal(cells(SIZE)[row], place)


def test_boxes_are_relative_to_their_cell():
    row = decode(output(96 + 7, [0.25, 0.5, np.log(2), 0]), SIZE)[96 + 7]
    np.testing.assert_allclose(row[:4], [20, 24, 32, 16], rtol=1e-6)
    assert row[4:].argmax() == COCO_CLASSES.index('dog')
    np.testing.assert_allclose(row[4:].max(), 0.72, rtol=1e-6)


def test_a_mirror_image_has_its_boxes_in_the_mirrored_cells():
    rows = decode(output(13, [0.25, 0.5, 0, 0]), SIZE)  # second column: the eleventh in the mirror
    seen = decode(output(12 + 10, [0.75, 0.5, 0, 0]), SIZE)
    np.testing.assert_allclose(mirror(seen, SIZE)[13], rows[13])
    np.testing.assert_allclose(mirror(mirror(rows, SIZE), SIZE), rows, atol=1e-4)


def test_duplicates_are_suppressed_within_a_class():
    rows = np.zeros((4, 4 + 3), np.float32)
    rows[:, :4] = [[20, 20, 10, 10], [20, 21, 10, 10], [20, 20, 10, 10], [60, 20, 10, 10]]
    rows[[0, 1, 2, 3], [4, 4, 5, 6]] = 0.5, 0.6, 0.7, 0.05
    found = suppress(rows, floor=0.1, overlap=0.65)
    assert found.classes.tolist() == [1, 0]
    np.testing.assert_allclose(found.scores, [0.7, 0.6])
    np.testing.assert_allclose(found.boxes[1], [15, 16, 25, 26])


def test_boxes_are_in_camera_pixels_and_clipped(tmp_path, write_network):
    # Two neighbours in the middle, each the mirror image of the other.
    values = (output(96 + 8, [1, 1, np.log(8), np.log(2)])
              + output(96 + 9, [0, 1, np.log(8), np.log(2)]))
    path = write_network(tmp_path / 'teacher.onnx', values)
    teacher = YoloxTeacher(OnnxNetwork(path), floor=0.3)
    found = teacher(np.zeros((128, 96, 3), np.uint8))  # at half size, with borders of 24 beside it
    assert [teacher.classes[index] for index in found.classes] == ['dog']
    np.testing.assert_allclose(found.boxes, [[0, 32, 96, 96]], atol=1e-3)
    np.testing.assert_allclose(found.scores, [(0.9 + 114 / 2) * 0.8], rtol=1e-5)  # gray borders


def test_it_sees_blue_first_in_0_to_255(tmp_path, write_network):
    path = write_network(tmp_path / 'teacher.onnx', output(0, [0, 0, 0, 0]))
    image = np.zeros((*SIZE, 3), np.uint8)
    image[..., 2] = 10
    # Half of it: the mirror image does not confirm what is seen in the corner.
    found = YoloxTeacher(OnnxNetwork(path))(image)
    np.testing.assert_allclose(found.scores[0], (0.9 + 10) * 0.8 / 2)


@pytest.mark.parametrize('shape, size', [
    ((NUM_CELLS, 5 + 20), SIZE), ((NUM_CELLS + 1, NUMBERS), SIZE),
    ((NUM_CELLS, NUMBERS), (60, 96)), ((NUM_CELLS, NUMBERS), (None, None))])
def test_other_networks_are_refused(tmp_path, write_network, shape, size):
    path = write_network(tmp_path / 'teacher.onnx', np.zeros(shape, np.float32), size)
    with pytest.raises(ValueError, match='teacher.onnx: is not a YOLOX network of 80 classes'):
        YoloxTeacher(OnnxNetwork(path))


def test_the_published_network_finds_objects():
    weights, folder = SHARED / 'weights' / 'yolox_nano.onnx', SHARED / 'coco_val'
    if not weights.exists() or not folder.exists():
        pytest.skip('the weights or the images are not here')
    teacher, dataset = YoloxTeacher(OnnxNetwork(weights)), CocoDataset(
        folder / 'annotations.json', folder / 'images', {'detection': DetectionTask()})
    scorer = InstancesScorer(DetectionTask(classes=tuple(teacher.classes)))
    for index in range(0, 150, 10):
        sample = dataset[index]
        scorer.add(sample.annotations['detection'], teacher(sample.image))
    assert scorer.result()['AP50'] > 0.35
