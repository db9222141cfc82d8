# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Thinning, against what it is to be."""

import cv2
import numpy as np
import pytest

from mcn_ros.evaluation.scorers.thinning import thin


def picture(text):
    return np.array([[mark == '#' for mark in row] for row in text.split()])


@pytest.mark.parametrize('thick, thinned', [
    ('...... .####. .####. .####. ......', '...... ...... ..##.. ...... ......'),
    # What is one pixel wide stays, also where it ends, turns and meets.
    ('#.... .#... ..### ..#.. ..#..', '#.... .#... ..### ..#.. ..#..'),
    ('..#.. ..#.. ##### ..#.. ..#..', '..#.. ..#.. ##### ..#.. ..#..'),
    ('#', '#'), ('...', '...')])
def test_small_pictures(thick, thinned):
    assert thin(picture(thick)).tolist() == picture(thinned).tolist()


def random_mask(seed):
    noise = np.random.default_rng(seed).random((50, 60))
    return cv2.GaussianBlur(noise, (0, 0), 0.5 + seed % 4) > 0.5


@pytest.mark.parametrize('seed', range(8))
def test_parts_and_holes_stay_and_nothing_is_left_to_take(seed):
    mask = random_mask(seed)
    lines = thin(mask)
    assert not (lines & ~mask).any() and lines.sum() < mask.sum()
    assert (thin(lines) == lines).all()
    for before, after, connectivity in ((mask, lines, 8), (~mask, ~lines, 4)):
        # Beside the image is background, too.
        counts = [cv2.connectedComponents(np.pad(each, 1, constant_values=connectivity == 4)
                                          .astype(np.uint8), connectivity=connectivity)[0]
                  for each in (before, after)]
        assert counts[0] == counts[1]


def test_the_mask_is_left_alone():
    mask = random_mask(1)
    before = mask.copy()
    thin(mask)
    assert (mask == before).all()
