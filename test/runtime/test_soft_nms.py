# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Soft-NMS is the published algorithm, and puts the objects of several views together."""

import math

from hypothesis import given, settings, strategies
import numpy as np
import pytest

from mcn_ros.runtime.soft_nms import FLOOR, merge, overlaps, SIGMA, soft_nms
from mcn_ros.structures import Instances, Poses


def scatter(count, seed, spread=200, power=1):
    """Return boxes (N, 4) and scores (N,) float32 at random."""
    rng = np.random.default_rng(seed)
    corners, sides = rng.uniform(0, spread, (count, 2)), rng.uniform(5, 120, (count, 2))
    boxes = np.hstack([corners, corners + sides]).astype(np.float32)
    return boxes, (rng.uniform(0, 1, count) ** power).astype(np.float32)


def overlap_of_pixels(one, other):
    """Return the intersection over union of boxes whose corners are pixels of them."""
    width = min(one[2], other[2]) - max(one[0], other[0]) + 1
    height = min(one[3], other[3]) - max(one[1], other[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def published(boxes, scores):
    """Return {row: score}: Bodla et al., algorithm 1, in lists and double precision."""
    left, found = dict(enumerate(map(float, scores))), {}
    boxes = boxes.astype(float)
    while left:
        best = max(left, key=left.get)
        found[best] = left.pop(best)
        for row in list(left):
            overlap = overlap_of_pixels(boxes[best], boxes[row])
            left[row] *= math.exp(-overlap ** 2 / 0.5)
            if overlap and left[row] < 0.001:
                del left[row]
    return found


@pytest.mark.parametrize('count, power', [(1, 1), (2, 1), (40, 1), (40, 4), (150, 6)])
@pytest.mark.parametrize('seed', range(3))
def test_scores_are_those_of_the_published_algorithm(count, power, seed):
    boxes, scores = scatter(count, seed, power=power)
    order = soft_nms(boxes, scores)
    found = dict(zip(order.boxes[:order.kept].tolist(), order.scores[:order.kept].tolist()))
    expected = published(boxes, scores)
    assert found.keys() == expected.keys()
    for row, score in expected.items():
        assert found[row] == pytest.approx(score, rel=1e-4)
    assert SIGMA == 0.5 and FLOOR == 0.001


@settings(max_examples=50)
@given(strategies.integers(0, 40), strategies.integers(0, 1000), strategies.integers(1, 8))
def test_what_is_left_over_lies_behind(count, seed, power):
    boxes, scores = scatter(count, seed, power=power)
    before = scores.copy()
    order = soft_nms(boxes, scores)
    np.testing.assert_array_equal(scores, before)
    assert len(order.boxes) == len(order.scores) == count
    assert (np.diff(order.scores[:order.kept]) <= 1e-6).all()
    assert len(set(order.boxes[:order.kept].tolist())) == order.kept
    np.testing.assert_array_equal(order.boxes[:order.kept], order.joints[:order.kept])
    assert sorted(order.joints.tolist()) == list(range(count))  # joints are only ever swapped


def test_leftovers_are_copies_of_moved_boxes_with_the_joints_of_the_dropped():
    boxes = np.array([[0, 0, 99, 99], [0, 0, 99, 99], [300, 0, 399, 99], [600, 0, 699, 99]],
                     np.float32)
    scores = np.array([0.9, 0.005, 0.4, 0.3], np.float32)
    order = soft_nms(boxes, scores)
    # The second is weakened by exp(-2) to 0.0007 and dropped; the last comes to its place.
    assert order.kept == 3
    assert order.boxes.tolist() == [0, 2, 3, 3] and order.joints.tolist() == [0, 2, 3, 1]
    np.testing.assert_array_equal(order.scores, scores[[0, 2, 3, 3]])


def test_overlaps_are_of_whole_pixels():
    boxes, _ = scatter(60, 0, spread=80)
    expected = [overlap_of_pixels(boxes[0], box) for box in boxes.astype(float)]
    np.testing.assert_allclose(overlaps(boxes[0], boxes), expected, atol=1e-6)
    assert overlaps(np.float32([0, 0, 9, 9]), np.float32([[9, 9, 18, 18]]))[0] == (
        pytest.approx(1 / 199))  # they share one pixel


def objects(seed, count=30, classes=3):
    boxes, scores = scatter(count, seed)
    order = np.argsort(-scores)
    kinds = np.random.default_rng(seed).integers(0, classes, count)
    return Instances(boxes[order], kinds[order], scores[order])


def test_objects_of_each_class_are_put_together_by_themselves():
    views = [{'detection': objects(seed)} for seed in range(4)]
    found = merge(views)['detection']
    assert (np.diff(found.scores) <= 0).all() and found.classes.dtype == np.int64
    everything = []
    for kind in range(3):
        rows = [(view['detection'].boxes[view['detection'].classes == kind],
                 view['detection'].scores[view['detection'].classes == kind]) for view in views]
        boxes, scores = (np.concatenate(values) for values in zip(*rows))
        everything += [(score, kind, *boxes[row])
                       for row, score in published(boxes, scores).items()]
    everything = sorted(everything, reverse=True)[:30]  # as many as in one view
    np.testing.assert_allclose(np.column_stack([found.scores, found.classes, found.boxes]),
                               everything, rtol=1e-4)


def test_nothing_is_weakened_where_nothing_overlaps():
    boxes = np.arange(12, dtype=np.float32)[:, None] * 50 + np.float32([0, 0, 40, 40])
    scores = np.linspace(0.9, 0.0005, 12, dtype=np.float32)  # the floor is for the weakened
    views = [{'detection': Instances(boxes[start::2], np.zeros(6, int), scores[start::2])}
             for start in (0, 1)]
    found = merge(views, leftovers=True)['detection']
    np.testing.assert_array_equal(found.scores, scores[:6])
    np.testing.assert_array_equal(found.boxes, boxes[:6])


def test_people_keep_their_joints_and_are_all_kept():
    def people(seed):
        boxes, scores = scatter(20, seed, power=3)
        joints = np.repeat(boxes[:, None, :2], 17, axis=1) + np.arange(17)[:, None]
        return Poses(boxes, scores, joints, np.repeat(boxes[:, :1] / 500, 17, axis=1))

    views = [{'pose': people(seed)} for seed in range(3)]
    found = merge(views)['pose']
    assert 20 < len(found) <= 60 and (np.diff(found.scores) <= 0).all()
    np.testing.assert_array_equal(found.keypoints[:, 0], found.boxes[:, :2])
    np.testing.assert_array_equal(found.keypoint_scores[:, 5], found.boxes[:, 0] / 500)
    every = merge(views, leftovers=True)['pose']
    assert len(every) == 60 and found.keypoints.shape[1:] == (17, 2)
    assert set(map(tuple, found.boxes)) <= set(map(tuple, every.boxes))


def test_no_objects_at_all():
    nothing = Instances(np.zeros((0, 4), np.float32), np.zeros(0, np.int64),
                        np.zeros(0, np.float32))
    found = merge([{'detection': nothing}] * 2)['detection']
    assert len(found) == 0 and found.boxes.shape == (0, 4)
