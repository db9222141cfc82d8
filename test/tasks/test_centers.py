# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Boxes to centres on the grid, and back."""

from hypothesis import given, strategies
from hypothesis.extra import numpy as arrays
import numpy as np
import pytest
import torch

from mcn_ros.geometry import Grid
from mcn_ros.tasks.centers import (
    cell_points, center_losses, check_spread, decode_centers, encode_centers, locate, pad,
    PLACES, region, to_input_pixels)
from mcn_ros.tasks.detection import DetectionTask
from mcn_ros.tasks.heatmap import draw_heatmap, UNKNOWN
from mcn_ros.tasks.pose import PoseTask

GRID = Grid(16, 24, 4)  # 64 x 96 input pixels
LIMIT = 8

NOWHERE = np.zeros((0, 4), np.float32)
NOTHING = np.zeros(0, np.int64)
ONE = np.ones(1, bool)  # class, which is labelled

any_boxes = arrays.arrays(
    np.float32, strategies.tuples(strategies.integers(0, 12), strategies.just(4)),
    elements=strategies.floats(-50, 150, width=32) | strategies.sampled_from([0, 64, 96]))


def encode(boxes, classes=None, num_classes=2, crowds=NOWHERE, crowd_classes=NOTHING, spread=0):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    centers = locate(boxes, np.ones(len(boxes), bool), GRID, LIMIT)
    classes = np.zeros(len(boxes), np.int64) if classes is None else np.array(classes)
    return encode_centers(centers, classes[centers.rows], np.ones(num_classes, bool),
                          np.array(crowds, np.float32).reshape(-1, 4), np.array(crowd_classes),
                          GRID, LIMIT, spread)


def batched(targets):
    return {name: value[None] for name, value in targets.items()}


def heatmap_of(targets):
    return draw_heatmap(batched(targets), 'heatmap', (GRID.height, GRID.width))[0]


def perfect(targets):
    """Return the maps that the targets of one image ask for."""
    outputs = {'heatmap': torch.where(heatmap_of(targets) == 1, 20.0, -20.0)[None]}
    for name in ('size', 'offset'):
        outputs[name] = torch.zeros(1, 2, GRID.height, GRID.width)
        values = targets[name]
        values = values[:, None].expand_as(targets['offset']) if name == 'size' else values
        used = targets['weights'] > 0
        outputs[name].flatten(2)[0, :, targets['cells'][used]] = values[used].T
    return outputs


@given(any_boxes, strategies.integers(0, 2 ** 12 - 1))
def test_every_box_with_an_area_in_the_grid_is_located_in_it(boxes, bits):
    usable = np.array([bool(bits >> i & 1) for i in range(len(boxes))], bool)
    centers = locate(boxes, usable, GRID, LIMIT)
    clipped = np.clip(boxes, 0, [96, 64, 96, 64]) / 4
    seen = usable & (clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])
    np.testing.assert_array_equal(centers.rows, np.flatnonzero(seen))
    assert len(centers.learned) == min(seen.sum(), LIMIT)
    assert (np.diff(centers.learned) > 0).all() and (centers.learned < seen.sum()).all()
    np.testing.assert_allclose(centers.boxes, clipped[centers.rows], atol=1e-5)
    assert (centers.cells >= 0).all() and (centers.cells < [24, 16]).all()
    assert (centers.points >= centers.boxes[:, :2]).all()
    assert (centers.points <= centers.boxes[:, 2:]).all()
    offset = centers.points - centers.cells
    assert (offset >= 0).all() and (offset <= 1).all()
    targets = encode_centers(centers, np.zeros(len(centers.rows), int), ONE, boxes[~usable],
                             np.zeros((~usable).sum(), int), GRID, LIMIT)
    assert heatmap_of(targets).isfinite().all()
    assert targets['weights'].sum() == len(centers.learned)


def test_of_objects_beyond_the_limit_some_of_all_kinds_are_learned():
    boxes = np.tile(np.float32([8, 8, 40, 40]), (200, 1))
    centers = locate(boxes, np.ones(200, bool), GRID, LIMIT)
    assert centers.learned.tolist() == list(range(0, 200, 25))
    assert locate(boxes, np.ones(200, bool), GRID, 200).learned.tolist() == list(range(200))


@pytest.mark.parametrize('spread', [0, 0.6])
def test_an_object_that_is_not_learned_keeps_its_cells(spread):
    # The large one is learned, the small one in it is there, and the large one not at its centre.
    boxes = np.float32([[0, 0, 96, 64], [56, 24, 72, 40]])
    centers = locate(boxes, np.ones(2, bool), GRID, 1)
    targets = encode_centers(centers, np.zeros(2, int), ONE, NOWHERE, NOTHING, GRID, 1, spread)
    assert (heatmap_of(targets) == 1).sum() == 2 and targets['size'].tolist() == [[24, 16]]
    both = locate(boxes, np.ones(2, bool), GRID, 2)
    cells, weights = region(both, spread, GRID)
    np.testing.assert_array_equal(targets['weights'][0], weights[0])


def test_targets_of_one_box():
    targets = encode([[10, 20, 50, 40]], [1])  # centre (30, 30) is (7.5, 7.5) in cells
    assert (heatmap_of(targets) == 1).nonzero().tolist() == [[1, 7, 7]]
    assert targets['cells'].flatten().tolist() == [7 * 24 + 7] + [0] * 7
    assert targets['size'][0].tolist() == [10, 5] and targets['offset'][0].tolist() == [[0.5, 0.5]]
    assert targets['weights'].flatten().tolist() == [1] + [0] * 7
    assert not heatmap_of(targets)[0].any()
    types = {name: value.dtype for name, value in targets.items() if 'heatmap' not in name}
    assert types == {'cells': torch.int64, 'size': torch.float32,
                     'offset': torch.float32, 'weights': torch.float32}


def test_a_box_is_cut_at_the_border_of_the_grid():
    targets = encode([[-40, 20, 20, 300]])  # what is left is (0, 20, 20, 64)
    assert targets['size'][0].tolist() == [5, 11]
    assert targets['cells'][0] == 10 * 24 + 2 and targets['offset'][0].tolist() == [[0.5, 0.5]]


def test_a_sliver_at_the_far_border_is_in_the_last_cell():
    # Its centre, between neighbouring float32 numbers, is rounded to the border itself.
    right, bottom = np.nextafter(np.float32([96, 64]), np.float32(0))
    targets = encode([[right, 8, 200, 20], [8, bottom, 20, 200]])
    assert targets['weights'].sum() == 2 and (heatmap_of(targets) == 1).sum() == 2
    assert targets['cells'][:2, 0].tolist() == [3 * 24 + 23, 15 * 24 + 3]


def test_two_objects_in_one_cell_both_stay_in_the_lists():
    targets = encode([[10, 10, 20, 20], [12, 12, 18, 18]])
    assert targets['weights'].sum() == 2 and targets['cells'][0] == targets['cells'][1]
    assert (heatmap_of(targets) == 1).sum() == 1


def test_crowds_are_unknown_for_their_class():
    targets = encode([[40, 20, 48, 28]], [0], 2, [[30, 10, 70, 40], [0, 0, 9, 9]], [0, 1])
    heatmap = heatmap_of(targets)
    unknown = heatmap == UNKNOWN
    assert (heatmap[0] == 1).sum() == 1  # the object within the crowd remains
    inside = torch.zeros(16, 24, dtype=torch.bool)
    inside[2:10, 7:18] = True
    drawn = heatmap[0] > 0
    assert torch.equal(unknown[0], inside & ~drawn)
    assert unknown[1].sum() == 9 and unknown[1, :3, :3].all()


@given(strategies.integers(0, 2 ** 32 - 1), strategies.integers(0, LIMIT))
def test_decoding_perfect_maps_gives_the_boxes_back(seed, count):
    rng = np.random.default_rng(seed)
    # Centres two cells apart: a heatmap cannot hold two peaks side by side.
    places = rng.choice(8 * 12, count, replace=False)
    centers = 8 * np.stack([places % 12, places // 12], axis=1) + rng.uniform(0, 3.9, (count, 2))
    half = rng.uniform(0, 1, (count, 2)) * np.minimum(centers, [96, 64] - centers)
    boxes = np.hstack([centers - half, centers + half]).astype(np.float32)
    boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
    classes = rng.integers(0, 2, len(boxes))
    targets = encode(boxes, classes)
    outputs = perfect(targets)
    found, scores, kinds, cells = decode_centers(outputs, LIMIT)
    real = scores[0] > 0.5
    assert real.sum() == len(boxes) and (scores[0].diff() <= 0).all()
    assert sorted(cells[0, real].tolist()) == sorted(targets['cells'][:len(boxes), 0].tolist())
    order = [cells[0].tolist().index(cell) for cell in targets['cells'][:len(boxes), 0].tolist()]
    np.testing.assert_allclose(to_input_pixels(found)[0, order], boxes, atol=1e-3)
    assert kinds[0, order].tolist() == classes.tolist()
    losses = center_losses(outputs, batched(targets))
    assert all(loss < 1e-6 for loss in losses.values())


def test_a_negative_size_is_no_inverted_box():
    outputs = {'heatmap': torch.zeros(1, 1, 4, 4), 'size': torch.full((1, 2, 4, 4), -3.0),
               'offset': torch.zeros(1, 2, 4, 4)}
    boxes = decode_centers(outputs, 16)[0]
    assert torch.equal(boxes[..., :2], boxes[..., 2:])


def test_losses_average_over_objects_and_coordinates():
    targets = batched(encode([[10, 20, 50, 40], [60, 10, 80, 30]]))
    outputs = perfect({name: value[0] for name, value in targets.items()})
    outputs['size'].flatten(2)[0, 0, targets['cells'][0, 0, 0]] += 2.0
    outputs['offset'].flatten(2)[0, :, targets['cells'][0, 1, 0]] -= 0.5
    losses = center_losses(outputs, targets)
    assert losses['size'].item() == pytest.approx(2 / 4)
    assert losses['offset'].item() == pytest.approx(1 / 4)


@given(any_boxes, strategies.floats(0.1, 1))
def test_a_region_lies_in_its_box_and_weighs_one(boxes, spread):
    centers = locate(boxes, np.ones(len(boxes), bool), GRID, LIMIT)
    cells, weights = region(centers, spread, GRID)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    assert (cells >= 0).all() and (cells < [24, 16]).all()
    boxes = centers.boxes[centers.learned]
    reach = spread / 2 * (boxes[:, 2:] - boxes[:, :2])
    away = np.abs(cells - centers.points[centers.learned, None])
    assert (away <= reach[:, None] + 1).all()
    middle = PLACES ** 2 // 2
    np.testing.assert_array_equal(cells[:, middle], centers.cells[centers.learned])
    # As far as nobody takes cells away, none counts more than the centre.
    assert (weights.max(axis=1) == weights[:, middle]).all()


def test_without_a_spread_the_centre_is_all():
    targets = encode([[10, 20, 50, 40], [60, 10, 80, 30]])
    assert targets['cells'].shape == (LIMIT, 1) and targets['offset'].shape == (LIMIT, 1, 2)


def test_where_regions_overlap_the_smaller_object_has_the_cell():
    boxes = [[0, 0, 96, 64], [56, 24, 72, 40]]
    cells, weights = region(locate(np.array(boxes, np.float32), np.ones(2, bool), GRID, LIMIT),
                            0.6, GRID)
    small = np.abs(cells[0] - [16, 8])
    taken = (small <= 0.3 * np.array([4, 4])).all(axis=1)
    taken[PLACES ** 2 // 2] = False
    assert taken.any() and not weights[0, taken].any() and (weights[0, ~taken] > 0).all()
    assert (weights[1] > 0).all()


@pytest.mark.parametrize('spread', [0, 0.5])
def test_perfect_maps_have_no_loss_anywhere_in_the_region(spread):
    targets = encode([[10, 20, 50, 40], [60, 10, 80, 30], [4, 4, 9, 9]], spread=spread)
    losses = center_losses(perfect(targets), batched(targets), iou_loss=True)
    assert losses.keys() == {'heatmap', 'size', 'offset', 'iou'}
    assert all(loss < 1e-5 for loss in losses.values())


def test_the_overlap_counts_the_same_at_all_sizes():
    losses = []
    for side in (8, 16, 32):
        targets = encode([[32 - side, 32 - side, 32 + side, 32 + side]])
        outputs = perfect(targets)
        outputs['size'] *= 1.5
        losses.append(center_losses(outputs, batched(targets), iou_loss=True)['iou'].item())
    assert losses == pytest.approx([1 - 1 / 1.5 ** 2] * 3, abs=1e-4)


def test_a_box_that_is_far_off_is_drawn_to_its_place():
    targets = batched(encode([[32, 24, 48, 40]]))
    outputs = {'heatmap': torch.zeros(1, 2, 16, 24), 'size': torch.full((1, 2, 16, 24), 4.0),
               'offset': torch.full((1, 2, 16, 24), 9.0).requires_grad_()}
    center_losses(outputs, targets, iou_loss=True)['iou'].backward()
    assert (outputs['offset'].grad.flatten(2)[0, :, targets['cells'][0, 0, 0]] > 0).all()


@pytest.mark.parametrize('spread', [-0.1, 1.1])
def test_a_bad_spread(spread):
    with pytest.raises(ValueError, match=rf'^pose.spread: {spread} is not in 0..1$'):
        check_spread(spread, 'pose.spread')


@pytest.mark.parametrize('task, limit', [
    (DetectionTask, 'max_objects'), (DetectionTask, 'max_predictions'), (PoseTask, 'max_people'),
    (PoseTask, 'max_predictions')])
def test_a_limit_below_one_object(task, limit):
    with pytest.raises(ValueError, match=rf'{limit}: 0 is not positive$'):
        task(**{limit: 0})


def test_small_parts():
    assert pad(np.ones((2, 3)), 4).tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]]
    assert cell_points(torch.tensor([0, 25]), 24).tolist() == [[0, 0], [1, 1]]
    assert to_input_pixels(torch.tensor([1.5])).item() == 6
