# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is looked for in space."""

import numpy as np
import pytest

from mcn_ros.benchmark.depth_scene import CLASSES, objects
from mcn_ros.spatial.subjects import (
    Mask, PERSON_TOLERANCE, registration, Subjects, TOLERANCE, TORSO)
from mcn_ros.structures import ClassMap, Poses
from mcn_ros.vocabulary import COCO_SKELETON

LABELS = np.array([[0, 1, 2, 0], [1, 1, 2, 255]], np.uint8)


def test_a_mask_has_the_size_of_the_surface():
    mask = Mask.of(ClassMap(LABELS), CLASSES, (4, 8))
    np.testing.assert_array_equal(mask.labels, LABELS.repeat(2, 0).repeat(2, 1))
    assert mask.cell == 1
    assert Mask.of(ClassMap(LABELS), CLASSES, (480, 640)).cell == 5  # of 128
    assert (mask.label('person'), mask.label('chair'), mask.label('dog')) == (1, 2, 0)


def test_objects_have_the_label_of_their_name():
    mask = Mask(LABELS, ('chair', 'person'), 1)
    subjects = Subjects.of_objects(objects((0, 0, 1, 1), (1, 1, 2, 2), classes=[0, 1]), CLASSES,
                                   mask)
    assert subjects.labels.tolist() == [2, 1]
    assert subjects.tolerances.tolist() == [PERSON_TOLERANCE, TOLERANCE]
    assert Subjects.of_objects(objects((0, 0, 1, 1)), CLASSES).labels.tolist() == [0]


def test_anchors_are_visible_shoulders_and_hips():
    keypoints = np.arange(34, dtype=np.float32).reshape(1, 17, 2)
    scores = np.full((1, 17), 0.9, np.float32)
    right_hip = COCO_SKELETON.keypoint_names.index('right_hip')
    scores[0, right_hip] = 0.3
    people = Poses(np.zeros((1, 4), np.float32), np.ones(1, np.float32), keypoints, scores)
    anchors = Subjects.of_people(people, 0.5).anchors
    expected = [keypoints[0, COCO_SKELETON.keypoint_names.index(name)] for name in TORSO]
    expected[TORSO.index('right_hip')] = [np.nan, np.nan]
    np.testing.assert_array_equal(anchors[0], expected)


def test_a_surface_may_be_smaller_than_the_image():
    affine = registration((480, 640), (240, 320))
    np.testing.assert_allclose(objects((10, 20, 30, 40)).warp(affine, (240, 320)).boxes,
                               [[5, 10, 15, 20]])
    with pytest.raises(ValueError, match='depth is of 848x480.*640x480: not registered'):
        registration((480, 640), (480, 848))
