# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Boxes of several detectors."""

import numpy as np

from mcn_ros.runtime.teachers.merge import merge
from mcn_ros.structures import Instances


def objects(*rows):
    """Return objects of rows x, y, width, height, class, score."""
    values = np.array(rows, np.float32).reshape(-1, 6)
    corners = np.hstack([values[:, :2], values[:, :2] + values[:, 2:4]])
    return Instances(corners, values[:, 4].astype(np.int64), values[:, 5])


def test_boxes_of_one_object_become_their_weighted_mean():
    found = merge([objects((0, 0, 40, 40, 3, 0.8)), objects((4, 0, 40, 40, 3, 0.4))])
    np.testing.assert_allclose(found.boxes, [[4 / 3, 0, 40 + 4 / 3, 40]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.6])
    assert found.classes.tolist() == [3]


def test_one_that_is_silent_counts_as_zero():
    found = merge([objects((0, 0, 40, 40, 3, 0.8)), objects((100, 0, 40, 40, 3, 0.9)),
                   objects()])
    np.testing.assert_allclose(found.scores, [0.3, 0.8 / 3], rtol=1e-6)
    assert found.boxes[0, 0] == 100


def test_classes_and_neighbours_stay_apart():
    found = merge([objects((0, 0, 40, 40, 3, 0.8)), objects((0, 0, 40, 40, 4, 0.8),
                                                            (20, 0, 40, 40, 3, 0.6))])
    np.testing.assert_allclose(found.scores, [0.4, 0.4, 0.3])


def test_an_object_has_one_box_of_each_detector():
    one = objects((0, 0, 40, 40, 0, 0.8))
    two = objects((1, 0, 40, 40, 0, 0.4), (2, 0, 40, 40, 0, 0.6))
    found = merge([one, two])
    # The better one is taken, and the other stays alone.
    np.testing.assert_allclose(found.scores, [0.7, 0.2])


def test_three_detectors_and_none():
    one = objects((0, 0, 40, 40, 0, 0.9))
    np.testing.assert_allclose(merge([one, one, one]).scores, [0.9], rtol=1e-6)
    assert len(merge([objects(), objects()])) == 0
    assert merge([one]) is one
