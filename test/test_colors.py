# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Colours of classes."""

import numpy as np
import pytest

from mcn_ros.colors import _perceived, class_colors, color_map


@pytest.mark.parametrize('num, apart', [(7, 15), (20, 11), (80, 4)])
def test_colors_differ_for_every_observer(num, apart):
    colors = class_colors(num)
    assert colors.shape == (num, 3) and colors.dtype == np.uint8
    for observer in _perceived(colors):
        distances = np.linalg.norm(observer[:, None] - observer, axis=2)
        np.fill_diagonal(distances, np.inf)
        # A CIELAB distance of 2.3 is just noticeable.
        assert distances.min() > apart


def test_dichromats_see_less_but_the_same_grey():
    red_and_green = np.array([[200, 60, 0], [120, 130, 0]])
    normal, protan, deutan = np.linalg.norm(np.diff(_perceived(red_and_green), axis=1), axis=2)
    assert max(protan, deutan) < normal / 2
    np.testing.assert_allclose(_perceived([[128, 128, 128]])[1:, 0, 1:], 0, atol=0.5)


def test_more_classes_keep_the_colors_of_the_first():
    np.testing.assert_array_equal(class_colors(80)[:20], class_colors(20))
    assert len(class_colors(0)) == 0


def test_color_map_paints_classes():
    labels = np.array([[0, 1, 3], [255, 2, 0]], np.uint8)
    picture = color_map(labels, 3)
    colors = class_colors(3)
    np.testing.assert_array_equal(picture[0], [[0, 0, 0], colors[0], colors[2]])
    np.testing.assert_array_equal(picture[1], [[128, 128, 128], colors[1], [0, 0, 0]])
    np.testing.assert_array_equal(color_map(labels[:, ::2], 3), picture[:, ::2])
