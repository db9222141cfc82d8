# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Several teachers as one, each told by its file; and the published ones, where they are."""

import json
from pathlib import Path

import numpy as np
import pytest

from mcn_ros.data.coco import CocoDataset
from mcn_ros.evaluation.dataset import evaluate
from mcn_ros.runtime.teachers.panel import Panel
from mcn_ros.vocabulary import COCO_CLASSES

SHARED = Path(__file__).resolve().parents[4] / 'shared' / 'data'
PUBLISHED = ('picodet_s.onnx', 'nanodet_plus_m.onnx', 'tinypose_256x192.onnx')


def boxes(columns, first, cell=40, score=0.8):
    """Return an output that finds a person of 3 x 3 cells in the cell of a row."""
    output = np.zeros((52 * 52 + 26 * 26 + 13 * 13 + 7 * 7, columns), np.float32)
    output[cell, 0] = score
    output[cell, first:].reshape(4, 8)[:, 2] = 60
    return output


@pytest.fixture
def files(tmp_path, write_onnx):
    """Write a network of each of three kinds."""
    maps = np.zeros((17, 64, 48), np.float32)
    maps[:, 32, 24] = 0.5
    whole = boxes(112, 80)
    levels = np.split(whole, np.cumsum([52 * 52, 26 * 26, 13 * 13]))
    outputs = {f'{name}{i}': level[:, part] for i, level in enumerate(levels)
               for name, part in (('s', slice(80)), ('d', slice(80, None)))}
    return [str(write_onnx(tmp_path / '1.onnx', {'output': whole})),
            str(write_onnx(tmp_path / '2.onnx', outputs)),
            str(write_onnx(tmp_path / '3.onnx', {'output': maps}, (256, 192)))]


def test_boxes_are_merged_and_joints_lie_within_them(files):
    panel = Panel(files)
    found = panel(np.zeros((416, 416, 3), np.uint8))
    assert list(found) == ['detection', 'pose'] == list(panel.tasks)
    # Half a cell apart: the means of the cell's corner and of its middle.
    np.testing.assert_allclose(found['detection'].boxes, [[306, 0, 338, 18]], atol=1e-3)
    np.testing.assert_allclose(found['detection'].scores, [0.8])
    np.testing.assert_allclose(found['pose'].scores, [0.4], rtol=1e-6)
    np.testing.assert_allclose(found['pose'].keypoints[0, 5], [322, 9], atol=0.5)


def test_parts_are_what_there_are_teachers_for(files):
    assert set(Panel(files[:1]).parts) == {'objects', 'classes'}
    assert Panel(files[:1]).parts['classes'] == COCO_CLASSES
    assert set(Panel(files[2:]).parts) == {'people', 'skeleton'} and not Panel(files[2:]).tasks
    assert not Panel([]).parts


def test_a_kind_can_be_named(files):
    assert list(Panel([f'nanodet_plus={files[0]}']).tasks) == ['detection']
    with pytest.raises(ValueError, match='1.onnx: is not a PicoDet network'):
        Panel([f'picodet={files[0]}'])
    with pytest.raises(ValueError, match="'ssd' is no kind .known: yolox, nanodet_plus, picodet"):
        Panel([f'ssd={files[0]}'])


def test_other_panels_are_refused(files, tmp_path, write_onnx):
    with pytest.raises(ValueError, match='expected one for joints, got 2'):
        Panel([files[2], files[2]])
    other = write_onnx(tmp_path / '4.onnx', {'a': np.zeros(3)})
    with pytest.raises(ValueError, match='4.onnx: is not a teacher of any kind that is known'):
        Panel([str(other)])


def test_the_published_networks_find_people():
    paths, folder = [SHARED / 'weights' / name for name in PUBLISHED], SHARED / 'coco_val'
    if not all(path.exists() for path in (*paths, folder)):
        pytest.skip('the weights or the images are not here')
    panel = Panel([str(path) for path in paths])
    content = json.loads((folder / 'annotations.json').read_bytes())
    content['images'] = content['images'][::75]
    ids = {entry['id'] for entry in content['images']}
    content['annotations'] = [entry for entry in content['annotations']
                              if entry['image_id'] in ids]
    dataset = CocoDataset(content, folder / 'images', panel.tasks)
    scores = evaluate(panel, dataset, progress=False)
    assert scores['detection']['AP50'] > 0.4 and scores['pose']['AP'] > 0.4
