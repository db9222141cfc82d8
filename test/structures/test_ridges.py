# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Ridges: lines and a circle, whatever their direction."""

import numpy as np
import pytest

from mcn_ros.structures.ridges import across, suppress

SIZE = 64, 80
ROWS, COLUMNS = np.indices(SIZE) + 0.5
CIRCLE = 'circle'
LINES = 0, 30, 45, 90, 135, CIRCLE


def distances(line):
    """Return how far pixels (H, W) are from a line through the middle, or from a circle."""
    x, y = COLUMNS - SIZE[1] / 2, ROWS - SIZE[0] / 2
    if line == CIRCLE:
        return np.abs(np.hypot(x, y) - 20)
    angle = np.radians(line)
    return np.abs(y * np.cos(angle) - x * np.sin(angle))


def ridge(line):
    return np.exp(-distances(line) ** 2 / 8).astype(np.float32)


@pytest.mark.parametrize('line', LINES)
def test_what_is_left_is_on_the_ridge(line):
    values, far = ridge(line), distances(line)
    kept = suppress(values) > 0.3
    inside = np.zeros(SIZE, bool)
    inside[6:-6, 6:-6] = True
    assert far[kept & inside].max() < 0.9
    # Nor has it holes: every pixel of the ridge has something of it beside it.
    near = np.pad(kept, 1)
    beside = np.logical_or.reduce([near[row:row + SIZE[0], column:column + SIZE[1]]
                                   for row in range(3) for column in range(3)])
    assert beside[(far < 0.5) & inside].all()


@pytest.mark.parametrize('line', [0, 90])
def test_straight_lines_are_one_pixel_wide(line):
    values = np.zeros(SIZE, np.float32)
    for offset, value in ((-2, .3), (-1, .6), (0, .9), (1, .6), (2, .3)):
        if line:
            values[:, 40 + offset] = value
        else:
            values[32 + offset] = value
    kept = suppress(values)[6:-6, 6:-6] > 0
    assert (kept.sum(axis=int(line == 90)) == 1).all()


@pytest.mark.parametrize('line', [0, 30, 45, 90, 135])
def test_the_direction_is_across(line):
    found = np.degrees(across(ridge(line)))[SIZE[0] // 2 - 4:SIZE[0] // 2 + 4,
                                            SIZE[1] // 2 - 4:SIZE[1] // 2 + 4]
    on_it = distances(line)[SIZE[0] // 2 - 4:SIZE[0] // 2 + 4,
                            SIZE[1] // 2 - 4:SIZE[1] // 2 + 4] < 1
    difference = (found - line - 90 + 90) % 180 - 90
    assert np.abs(difference[on_it]).max() < 2


def test_maps_fade_towards_the_border():
    found = suppress(np.ones((20, 30), np.float32))
    assert found[10].tolist() == pytest.approx(
        [0, .2, .4, .6, .8] + [1] * 20 + [.8, .6, .4, .2, 0])
    assert found[1, 1] == pytest.approx(0.04)


def test_the_smallest_maps_have_no_ridges():
    assert not suppress(np.ones((1, 3), np.float32))[0, [0, 2]].any()
