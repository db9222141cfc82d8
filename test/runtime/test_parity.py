# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How far apart predictions are."""

from dataclasses import replace

import numpy as np
import pytest

from mcn_ros.runtime.parity import compare
from mcn_ros.structures import ClassMap, ClassPlanes, Instances, Poses, ScalarMap, VectorMap


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    corners = 50 * rng.permuted(np.arange(32).reshape(2, 16), axis=1)[..., None]
    boxes = np.concatenate([corners, corners + 1, corners + 30, corners + 40], axis=2)
    boxes = boxes.astype(np.float32)
    scores = np.linspace(0.9, 0.1, 16, dtype=np.float32)[None].repeat(2, axis=0)
    joints = (boxes[:, :, None, :2] + rng.uniform(0, 30, (2, 16, 5, 2))).astype(np.float32)
    return {'detection': Instances(boxes, np.arange(32).reshape(2, 16) % 3, scores),
            'pose': Poses(boxes, scores, joints, joints[..., 0] / 1000),
            'segmentation': ClassMap(rng.integers(0, 9, (2, 4, 5), np.uint8), stride=4)}


def change(predictions, task, **arrays):
    return {**predictions, task: replace(predictions[task], **arrays)}


def test_equal_ones_are_not_apart(predictions):
    found = compare(predictions, predictions)
    assert found.keys() == predictions.keys()
    for name in ('detection', 'pose'):
        assert found[name].scores.shape == found[name].boxes_px.shape == (16,)
        assert not found[name].scores.any() and not found[name].boxes_px.any()
    assert found['detection'].joints_px.shape == (16, 0)
    assert found['pose'].joints_px.shape == (16, 5) and not found['pose'].joints_px.any()
    assert found['segmentation'].labels == 0


def test_their_order_does_not_count(predictions):
    order = np.random.default_rng(1).permutation(16)
    shuffled = {name: replace(value, **{rows: getattr(value, rows)[:, order] for rows in value.ROWS
                                        if getattr(value, rows) is not None})
                for name, value in predictions.items() if name != 'segmentation'}
    shuffled['segmentation'] = predictions['segmentation']
    for name, difference in compare(shuffled, predictions).items():
        assert not difference.scores.any() and not difference.boxes_px.any()
        assert not difference.joints_px.any()


def test_differences_are_measured(predictions):
    detection, pose = predictions['detection'], predictions['pose']
    moved = detection.boxes + np.array([0, 0, 0, 2], np.float32)
    found = compare(change(predictions, 'detection', boxes=moved), predictions)['detection']
    np.testing.assert_array_equal(found.boxes_px, 2)
    assert not found.scores.any()
    found = compare(change(predictions, 'detection', scores=detection.scores - 0.05), predictions)
    np.testing.assert_allclose(found['detection'].scores, 0.05, rtol=1e-5)
    joints = pose.keypoints + np.array([3, 4], np.float32)
    found = compare(change(predictions, 'pose', keypoints=joints), predictions)['pose']
    np.testing.assert_allclose(found.joints_px, 5, rtol=1e-4)
    assert not found.boxes_px.any()
    labels = predictions['segmentation'].labels.copy()
    labels[0, :2] += 1
    found = compare(change(predictions, 'segmentation', labels=labels), predictions)
    assert found['segmentation'].labels == pytest.approx(10 / 40)


def test_objects_of_another_class_are_others(predictions):
    classes = predictions['detection'].classes
    found = compare(change(predictions, 'detection', classes=(classes + 1) % 3), predictions)
    assert (found['detection'].boxes_px > 10).all()
    found = compare(change(predictions, 'detection', classes=classes * 0 + 7), predictions)
    assert np.isinf(found['detection'].boxes_px).all()


def test_the_unlikely_are_left_out(predictions):
    boxes = predictions['detection'].boxes.copy()
    boxes[:, 8:] = 0
    found = compare(change(predictions, 'detection', boxes=boxes), predictions)
    assert not found['detection'].boxes_px.any()
    scores = predictions['detection'].scores.copy()
    scores[:, 3:] = 0  # fewer peaks than rows
    few = change(predictions, 'detection', scores=scores)
    assert compare(few, few)['detection'].scores.shape == (6,)


@pytest.mark.parametrize('kind,shape', [
    (ScalarMap, (2, 4, 5)), (ClassPlanes, (2, 3, 4, 5)), (VectorMap, (2, 4, 5, 3))])
def test_every_number_of_a_map_counts(kind, shape):
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    other = values.copy()
    other[1, 2, 3] += 0.25
    changed = other[1, 2, 3].size
    difference = compare({'map': kind(other)}, {'map': kind(values)})['map']
    assert difference.scores.size == values.size and difference.labels == 0
    assert np.isclose(difference.scores, 0.25, atol=1e-6).sum() == changed
    assert (difference.scores > 0).sum() == changed
