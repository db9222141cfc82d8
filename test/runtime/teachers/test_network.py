# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Weights of this package as a teacher: the same as the predictor says."""

import numpy as np
import pytest

from mcn_ros.runtime import load_predictor, RuntimeConfig
from mcn_ros.runtime.teachers.network import NetworkTeacher
from mcn_ros.structures import ClassMap, Instances, Poses

CPU = RuntimeConfig('cpu', 'torch')
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 120, 3), dtype=np.uint8)


@pytest.fixture(scope='module', params=[False, True])
def pair(request, tiny_weights):
    """Return the teacher and the predictor, of the image alone or of its mirror image too."""
    return (NetworkTeacher(tiny_weights, CPU, request.param),
            load_predictor(tiny_weights, runtime=CPU, flip=request.param)(IMAGE))


def test_objects_are_those_of_the_predictor(pair):
    teacher, expected = pair
    found = teacher.objects(IMAGE)
    for name in ('boxes', 'classes', 'scores'):
        np.testing.assert_allclose(getattr(found, name), getattr(expected['detection'], name),
                                   atol=1e-4)


def test_joints_are_those_of_the_person_in_a_box(pair):
    teacher, expected = pair
    poses = expected['pose']
    largest = np.prod(poses.boxes[:, 2:] - poses.boxes[:, :2], axis=1).argmax()
    boxes = np.concatenate([poses.boxes[[largest]], [[0, 0, 1, 1]]]).astype(np.float32)
    found = teacher.people(IMAGE, boxes, np.float32([0.7, 0.6]))
    np.testing.assert_array_equal(found.boxes, boxes)
    np.testing.assert_array_equal(found.scores, np.float32([0.7, 0.6]))
    same = np.flatnonzero((np.abs(poses.boxes - boxes[0]) < 1e-3).all(axis=1))
    assert any(np.allclose(found.keypoints[0], poses.keypoints[i], atol=1e-2,
                           equal_nan=True) for i in same)
    assert not found.keypoint_scores[1].any()


def test_logits_are_what_the_map_is_the_best_of(pair):
    teacher, expected = pair
    logits = teacher.logits(IMAGE, np.array([0]))
    assert logits.shape == (2, 60, 120)
    # The map has the nearest label, logits are interpolated: they part where the label changes.
    agree = (logits.argmax(axis=0) == expected['segmentation'].labels).mean()
    assert agree > 0.8
    assert NetworkTeacher.logits(teacher, IMAGE, np.zeros(0, np.int64)).shape == (1, 60, 120)


def test_an_image_is_looked_at_once(tiny_weights, monkeypatch):
    teacher = NetworkTeacher(tiny_weights, CPU)
    assert set(teacher.tasks) == {Instances, Poses, ClassMap}
    looks, run = [], teacher._run
    monkeypatch.setattr(teacher, '_run', lambda images: looks.append(1) or run(images))
    teacher.objects(IMAGE)
    teacher.logits(IMAGE, np.array([0]))
    assert len(looks) == 1
    teacher.objects(IMAGE.copy())
    assert len(looks) == 2
