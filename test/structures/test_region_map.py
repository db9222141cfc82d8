# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Regions, and the lines where they end."""

import numpy as np
import pytest

from mcn_ros.geometry import crop
from mcn_ros.structures import IGNORE, LineMap, RegionMap, UNKNOWN_REGION


def regions(labels):
    labels = np.array(labels, np.uint16)
    return RegionMap(labels, np.full(labels[labels < UNKNOWN_REGION].max(initial=0), -1))


def test_regions_of_two_parts_stay_apart():
    none = UNKNOWN_REGION
    one = RegionMap(np.array([[1, 0, none, none]], np.uint16), np.array([5]))
    other = RegionMap(np.array([[none, none, 1, 2]], np.uint16), np.array([7, -1]))
    joined = one.join(other)
    assert joined.labels.tolist() == [[1, 0, 2, 3]] and joined.classes.tolist() == [5, 7, -1]
    assert joined.labels.dtype == np.uint16
    again = other.join(one)
    assert again.labels.tolist() == [[3, 0, 1, 2]] and again.classes.tolist() == [7, -1, 5]


def test_annotators_stay_apart():
    none = UNKNOWN_REGION
    one = RegionMap(np.array([[1, none]], np.uint16), np.array([5]))
    two = RegionMap(np.array([[none, 1]], np.uint16), np.array([7, 8]),
                    others=np.array([[[none, 2]]], np.uint16))
    assert [each.labels.tolist() for each in two.annotators] == [[[none, 1]], [[none, 2]]]
    for joined in (one.join(two), two.join(one)):
        first, second = joined.annotators
        assert [[joined.classes[label - 1] for label in each.labels[0]]
                for each in (first, second)] == [[5, 7], [5, 8]]
    flipped = two.warp(crop((1, 0.5), 1, (1, 2), flip=True), (1, 2))
    assert [each.labels.tolist() for each in flipped.annotators] == [[[1, none]], [[2, none]]]
    assert len(two.nothing().annotators) == 1 == len(one.annotators)


def test_a_contour_is_where_the_right_or_lower_neighbour_is_another():
    contours = regions([[1, 1, 2], [1, 1, 2], [0, 0, 0]]).contours()
    assert contours.values.tolist() == [[0, 1, 0], [1, 1, 1], [0, 0, 0]]
    assert type(contours) is LineMap and contours.values.dtype == np.uint8


def test_a_contour_is_unknown_beside_the_unknown():
    values = regions([[1, 1, UNKNOWN_REGION], [1, 1, 1], [1, 1, 1]]).contours().values
    assert values.tolist() == [[0, IGNORE, IGNORE], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize('factor', [0.25, 0.5, 3])
def test_contours_are_whole_whatever_the_size(factor):
    """Lines would break where they are reduced; regions do not."""
    labels = np.zeros((80, 80), np.uint16)
    labels[21:63, 17:59] = 1
    size = int(80 * factor), int(80 * factor)
    values = regions(labels).warp(crop((40, 40), factor, size), size).contours().values
    inside = regions(labels).warp(crop((40, 40), factor, size), size).labels == 1
    rows, columns = np.nonzero(inside)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    # One line on each side: within the region to the right and below, where they share the
    # corner, beside it on the others.
    assert (values == 1).sum() == 2 * height + 2 * width - 1


def test_nothing_has_no_contours():
    nothing = regions([[1, 2], [3, 4]]).nothing()
    assert not nothing.contours().values.any() and len(nothing.classes) == 0


def test_contours_of_a_class_are_of_what_meets_there():
    """Region 1 is of class 0, region 2 of class 1, region 3 of none."""
    labels = np.array([[1, 1, 2, 2, 3, 3]] * 2, np.uint16)
    found = RegionMap(labels, np.array([0, 1, -1])).class_contours(2)
    assert found.planes.tolist() == [[[0, 1, 0, 0, 0, 0]] * 2, [[0, 1, 0, 1, 0, 0]] * 2]
    assert found.planes.dtype == np.uint8 and found.labelled_classes is None


def test_two_objects_of_a_class_have_a_contour_between_them():
    found = RegionMap(np.array([[1, 2, 0]], np.uint16), np.array([1, 1])).class_contours(2)
    assert found.planes.tolist() == [[[0, 0, 0]], [[1, 1, 0]]]


def test_contours_of_classes_are_unknown_where_contours_or_classes_are():
    labels = np.array([[1, UNKNOWN_REGION, 0, 2, 0]], np.uint16)
    found = RegionMap(labels, np.array([0, 1]), np.array([True, False])).class_contours(2)
    assert found.planes.tolist() == [[[IGNORE, IGNORE, 0, 0, 0]], [[IGNORE] * 5]]
    assert found.labelled_classes.tolist() == [True, False]
