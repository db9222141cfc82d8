# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Boxes end at the border, and objects that are outside of an image go."""

from dataclasses import replace

import numpy as np
import pytest

from mcn_ros.structures import area_rows, ClassMap, clip, clip_boxes, Instances

SIZE = (48, 64)


def test_clip():
    clipped = clip_boxes(np.array([[-3, 5, 70, 60], [70, 5, 80, 9]], np.float32), SIZE)
    np.testing.assert_array_equal(clipped, [[0, 5, 64, 48], [64, 5, 64, 9]])
    assert clipped.dtype == np.float32


def test_clip_leaves_no_box_inverted():
    """A network may regress a negative size: who uses the box must not have to expect that."""
    clipped = clip_boxes(np.array([[20, 10, 15, 30], [20, 30, 25, 10]], np.float32), SIZE)
    np.testing.assert_array_equal(clipped, [[20, 10, 20, 30], [20, 30, 25, 30]])


def test_only_boxes_are_clipped():
    objects = Instances(np.array([[-3, 5, 70, 60]], np.float32), np.zeros(1, int), np.ones(1))
    np.testing.assert_array_equal(clip(objects, SIZE).boxes, [[0, 5, 64, 48]])
    labels = ClassMap(np.zeros((99, 99), np.uint8))
    assert clip(labels, SIZE) is labels


def test_slivers_become_crowds_and_the_rest_goes():
    boxes = np.array([[-90, 0, 10, 10], [-40, 0, 60, 10], [70, 0, 80, 10], [5, 5, 9, 9]], 'f4')
    crowd = np.array([False, False, False, True])
    objects = Instances(boxes, np.arange(4), np.ones(4, 'f4'), crowd)
    kept = objects.cut((64, 64), 0.2)
    np.testing.assert_array_equal(kept.classes, [0, 1, 3])
    np.testing.assert_array_equal(kept.crowd, [True, False, True])
    np.testing.assert_array_equal(kept.boxes, boxes[[0, 1, 3]])
    assert not replace(objects, crowd=None).cut((64, 64), 0.0).crowd.any()


def test_areas_are_those_of_the_boxes_where_nobody_says():
    boxes = np.array([[0, 0, 4, 5], [1, 1, 3, 3]], np.float32)
    objects = Instances(boxes, np.zeros(2, int), np.ones(2))
    np.testing.assert_array_equal(area_rows(objects), [20, 4])
    told = replace(objects, areas=np.array([7, 3], np.float32))
    np.testing.assert_array_equal(area_rows(told), [7, 3])
    np.testing.assert_array_equal(area_rows(objects.join(told)), [20, 4, 7, 3])


@pytest.mark.parametrize('affine', [
    [[2.0, 0, 5], [0, 2.0, 7]], [[-2.0, 0, 5], [0, 2.0, 7]], [[0, -2.0, 0], [2.0, 0, 0]]])
def test_areas_grow_with_the_image(affine):
    objects = Instances(np.zeros((1, 4), np.float32), np.zeros(1, int), np.ones(1),
                        areas=np.array([3], np.float32))
    warped = objects.warp(np.array(affine), SIZE)
    np.testing.assert_allclose(warped.areas, [12])
    assert warped.areas.dtype == np.float32
