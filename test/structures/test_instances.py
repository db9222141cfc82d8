# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects of which is known how much of them is seen."""

from dataclasses import replace

import numpy as np

from mcn_ros.structures import Instances, select

BOX = np.array([[10, 20, 30, 60]], np.float32)
SEEN = Instances(BOX, np.zeros(1, int), np.ones(1, np.float32), full_boxes=2 * BOX,
                 visible=np.array([0.25], np.float32))
UNKNOWN = replace(SEEN, full_boxes=None, visible=None)


def test_the_whole_of_an_object_moves_with_it():
    affine = np.array([[2, 0, 5], [0, 2, 7]], float)
    warped = SEEN.warp(affine, (100, 100))
    np.testing.assert_array_equal(warped.full_boxes, [[45, 87, 125, 247]])
    assert warped.visible == SEEN.visible
    assert UNKNOWN.warp(affine, (100, 100)).full_boxes is None


def test_joined_with_others_they_keep_what_is_known():
    for one, other, boxes, visible in (
            (SEEN, UNKNOWN, [2 * BOX, BOX], [0.25, 1]), (UNKNOWN, SEEN, [BOX, 2 * BOX], [1, 0.25]),
            (SEEN, SEEN, [2 * BOX, 2 * BOX], [0.25, 0.25])):
        both = one.join(other)
        np.testing.assert_array_equal(both.full_boxes, np.concatenate(boxes))
        assert both.visible.tolist() == visible
        assert len(select(both, [1]).full_boxes) == 1
    both = UNKNOWN.join(UNKNOWN)
    assert len(both) == 2 and both.full_boxes is None and both.visible is None
