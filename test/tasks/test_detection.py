# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What detection adds to centres: classes, crowds and partial labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mcn_ros.data.batch import stack
from mcn_ros.geometry import Grid
from mcn_ros.network.heads import HeadConfig
from mcn_ros.structures import Instances
from mcn_ros.tasks.centernet import CenterNetDetectionTask
from mcn_ros.tasks.detection import DetectionTask
from mcn_ros.tasks.heatmap import draw_heatmap, focal_loss, UNKNOWN

GRID = Grid(16, 16, 4)
TASK = DetectionTask(('a', 'b', 'c'), HeadConfig(8))

BOXES = np.array([[4, 8, 22, 30], [30, 4, 60, 28], [6, 40, 40, 62]], np.float32)


def instances(classes=(0, 1, 2), crowd=None, labelled=None):
    rows = len(classes)
    return Instances(BOXES[:rows], np.array(classes, np.int64), np.ones(rows, np.float32),
                     None if crowd is None else np.array(crowd),
                     None if labelled is None else np.array(labelled))


def targets_of(*annotations):
    encoded = [TASK.encode(annotation, GRID) for annotation in annotations]
    return stack(encoded)


def heatmaps_of(targets, side=16):
    return draw_heatmap(targets, 'heatmap', (side, side))


def random_outputs(batch=1, seed=0):
    generator = torch.manual_seed(seed)
    shapes = {'heatmap': 3, 'size': 2, 'offset': 2}
    return {name: torch.randn(batch, channels, 16, 16, generator=generator).requires_grad_()
            for name, channels in shapes.items()}


def gradients(outputs, losses):
    found = torch.autograd.grad(sum(losses.values()), outputs.values(), allow_unused=True)
    return dict(zip(outputs, found))


def test_perfect_maps_by_hand():
    outputs = {'heatmap': torch.full((1, 3, 16, 16), -9.0), 'size': torch.zeros(1, 2, 16, 16),
               'offset': torch.zeros(1, 2, 16, 16)}
    for box, channel in zip(BOXES / 4, range(3)):
        x, y = (box[:2] + box[2:]) / 2
        cell = 0, slice(None), int(y), int(x)
        outputs['heatmap'][0, channel, int(y), int(x)] = 9 - channel
        outputs['size'][cell] = torch.from_numpy(box[2:] - box[:2])
        outputs['offset'][cell] = torch.tensor([x % 1, y % 1])
    found = TASK.decode(outputs)
    assert found.boxes.shape == (1, 100, 4) and found.classes.dtype == torch.int64
    np.testing.assert_allclose(found.boxes[0, :3], BOXES, atol=1e-4)
    assert found.classes[0, :3].tolist() == [0, 1, 2]
    assert (found.scores[0, :3] > 0.99).all() and (found.scores[0, 3:] < 0.01).all()


def test_partial_labels_are_a_mask():
    outputs = random_outputs()
    partial = targets_of(instances([0, 2], labelled=[True, False, True]))
    losses = TASK.loss(outputs, partial)
    found = gradients(outputs, losses)

    full = targets_of(instances([0, 2]))
    by_hand = TASK.loss(outputs, full)
    keep = [0, 2]
    by_hand['heatmap'] = focal_loss(outputs['heatmap'][:, keep], heatmaps_of(full)[:, keep])
    expected = gradients(outputs, by_hand)
    for name in outputs:
        torch.testing.assert_close(found[name], expected[name])
    assert not found['heatmap'][:, 1].any() and found['heatmap'][:, keep].all()


def test_what_one_image_does_not_label_another_may():
    outputs = random_outputs(2)
    targets = targets_of(instances([0], labelled=[True, False, False]),
                         instances([1, 1], labelled=[False, True, True]))
    gradient = gradients(outputs, TASK.loss(outputs, targets))['heatmap']
    taught = gradient.flatten(2).any(dim=2)
    assert taught.tolist() == [[True, False, False], [False, True, True]]


def test_nothing_labelled_teaches_nothing():
    outputs = random_outputs()
    targets = targets_of(instances([], labelled=[False] * 3))
    losses = TASK.loss(outputs, targets)
    assert all(loss == 0 for loss in losses.values())
    assert not any(gradient.any() for gradient in gradients(outputs, losses).values())


def test_labelled_but_empty_teaches_that_there_is_nothing():
    outputs = random_outputs()
    gradient = gradients(outputs, TASK.loss(outputs, targets_of(instances([]))))
    assert (gradient['heatmap'] > 0).all()
    assert not gradient['size'].any() and not gradient['offset'].any()


def test_a_crowd_teaches_nothing_of_its_class():
    outputs = random_outputs()
    targets = targets_of(instances([0, 1, 1], crowd=[False, True, False]))
    gradient = gradients(outputs, TASK.loss(outputs, targets))
    # The crowd (30, 4, 60, 28) touches these cells, and nothing else is near them.
    crowd = 0, slice(1, 7), slice(7, 15)
    assert not gradient['heatmap'][0, 1, crowd[1], crowd[2]].any()
    assert gradient['heatmap'][0, 0, crowd[1], crowd[2]].all()
    assert targets['weights'].sum() == 2  # it has no size either
    assert (gradient['heatmap'][0, 1] == 0).sum() == 6 * 8


def test_an_object_in_a_crowd_is_still_an_object():
    boxes = np.array([[30, 4, 60, 28], [40, 12, 48, 20]], np.float32)
    annotation = Instances(boxes, np.zeros(2, int), np.ones(2), np.array([True, False]))
    heatmap = heatmaps_of(targets_of(annotation))[0, 0]
    assert (heatmap == 1).nonzero().tolist() == [[4, 11]]
    assert heatmap[1, 7] == UNKNOWN


def test_no_object_of_a_crowded_image_is_taught_as_background():
    rng = np.random.default_rng(0)
    places = rng.permutation(64 * 64)[:200]
    corners = np.stack([places % 64, places // 64], axis=1) * 4
    boxes = np.hstack([corners, corners + 4]).astype(np.float32)
    crowded = Instances(boxes, np.arange(200) // 100, np.ones(200, np.float32))
    targets = DetectionTask(('a', 'b')).encode(crowded, Grid(64, 64, 4))
    drawn = heatmaps_of(stack([targets]), 64)[0]
    assert (drawn == 1).sum(dim=(1, 2)).tolist() == [100, 100]
    # Boxes are learned of as many as there is room for, of both classes.
    assert targets['weights'].sum() == 128
    learned = set(targets['cells'].flatten().tolist())
    assert len(learned) == 128 and len(learned & set(places[:100].tolist())) == 64
    # CenterNet looks at the first 128 alone.
    as_centernet = CenterNetDetectionTask(('a', 'b')).encode(crowded, Grid(64, 64, 4))
    assert (heatmaps_of(stack([as_centernet]), 64) == 1).sum() <= 128


def test_a_small_grid_has_fewer_predictions():
    outputs = {name: values[..., :4, :4] for name, values in random_outputs().items()}
    assert TASK.decode(outputs).boxes.shape == (1, 48, 4)


@pytest.mark.parametrize('classes, message', [
    ((), 'detection.classes: none given'), (('a', 'a'), 'detection.classes: a given twice')])
def test_bad_classes(classes, message):
    with pytest.raises(ValueError, match=message):
        DetectionTask(classes)


def test_of_two_boxes_of_a_class_that_overlap_the_less_certain_one_goes():
    task = DetectionTask(('a', 'b'), max_overlap=0.6)
    shape = (1, 2, 16, 24)
    outputs = {'heatmap': torch.full(shape, -9.0), 'size': torch.full(shape, 8.0),
               'offset': torch.zeros(shape)}
    for channel, column, logit in ((0, 8, 3.0), (0, 10, 2.0), (1, 10, 1.0), (0, 16, 0.5)):
        outputs['heatmap'][0, channel, 8, column] = logit
    plain, found = DetectionTask(('a', 'b')).decode(outputs), task.decode(outputs)
    certain = found.scores[0] > 0.3
    # Two cells apart, boxes of 8 cells overlap by 0.6 exactly: not more.
    assert certain.sum() == 4
    outputs['offset'][0, 0, 8, 10] = -0.5
    found = task.decode(outputs)
    certain = found.scores[0] > 0.3
    assert found.boxes[0, certain, 0].tolist() == [16, 22, 48]
    assert found.classes[0, certain].tolist() == [0, 1, 0]
    assert found.boxes.shape == plain.boxes.shape and (found.scores.diff() <= 0).all()


@pytest.mark.parametrize('value', [0, 1.5])
def test_a_bad_overlap(value):
    with pytest.raises(ValueError, match='detection.max_overlap'):
        DetectionTask(('a',), max_overlap=value)


def test_a_coarser_stride_is_a_smaller_image():
    fine, coarse = (DetectionTask(('a', 'b', 'c'), HeadConfig(8), reads=reads)
                    for reads in ('features', 'readings'))
    assert (fine.stride, coarse.stride) == (4, 8)
    whole = instances()
    half = replace(whole, boxes=whole.boxes / 2)
    expected = fine.encode(half, Grid.of_input((32, 32)))
    found = coarse.encode(whole, Grid.of_input((64, 64)))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    outputs = random_outputs()
    torch.testing.assert_close(coarse.decode(outputs).boxes, 2 * fine.decode(outputs).boxes)


def test_what_no_trunk_has_cannot_be_read():
    with pytest.raises(ValueError, match="^detection.reads: 'all' is not one of features, read"):
        DetectionTask(reads='all')
