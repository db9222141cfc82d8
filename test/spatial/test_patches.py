# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Depths around places."""

import numpy as np
from numpy.testing import assert_array_equal

from mcn_ros.benchmark.depth_scene import surface
from mcn_ros.spatial.patches import median, patches

# Each pixel has a depth of its own, of its row and column.
DEPTH = np.add.outer(10 * np.arange(24), np.arange(32)).astype(np.float32)


def around(place, radius):
    """Return the sorted depths that are known around a place."""
    found = patches(surface(DEPTH), np.array([place, (16, 12)]), np.array([radius, 4]))
    depths = found.depths[0]
    known = ~np.isnan(depths)
    assert_array_equal(DEPTH[found.rows[0][known], found.columns[0][known]], depths[known])
    return np.sort(depths[known])


def test_a_patch_is_the_square_around_the_pixel_of_a_place():
    assert_array_equal(around((7.9, 5.1), 0), [57])
    assert_array_equal(around((7.9, 5.1), 1), [46, 47, 48, 56, 57, 58, 66, 67, 68])


def test_a_patch_ends_with_the_image():
    assert_array_equal(around((0, 0), 1), [0, 1, 10, 11])
    assert_array_equal(around((31.9, 23.9), 1), [250, 251, 260, 261])


def test_there_is_nothing_around_what_is_outside():
    places = np.array([(-0.1, 5), (32, 5), (5, 24), (np.nan, np.nan), (1e30, 0), (5, 5)])
    found = patches(surface(DEPTH), places, np.full(6, 2))
    assert found.inside.tolist() == [False] * 5 + [True]
    assert np.isnan(found.depths[:5]).all() and not np.isnan(found.depths[5]).any()
    assert patches(surface(DEPTH), places[:0], np.zeros(0, int)).depths.shape[0] == 0


def test_a_median_leaves_out_what_is_not_known():
    values = np.random.default_rng(0).random((50, 7)).astype(np.float32)
    values[np.random.default_rng(1).random(values.shape) < 0.5] = np.nan
    values[0], values[1] = np.nan, 3
    assert np.isnan(median(values)[0])
    np.testing.assert_allclose(median(values)[1:], np.nanmedian(values[1:], axis=1), rtol=1e-6)
