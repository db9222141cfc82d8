# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The film of the growth shows what there is."""

import numpy as np

from mcn_ros.mae.film import CAPTION, draw_film, HEIGHT, MOST
from mcn_ros.mae.segmentation import Segmentation

LABELS = np.array([[0, 0, 2], [0, 1, 2]])
IMAGE = np.full((32, 48, 3), 100, np.uint8)


def segmentation(steps, foreground):
    return Segmentation([np.arange(6).reshape(2, 3), *steps], np.ones((2, 3)), 1.0, foreground)


def frames(sheet, columns):
    """Return the pictures of the first row, without captions."""
    return [part[:HEIGHT] for part in np.split(
        np.pad(sheet, ((0, 0), (0, 6), (0, 0)))[:HEIGHT + CAPTION], columns, axis=1)]


def test_each_step_has_a_picture():
    grown = np.minimum(LABELS, 1)
    sheet = draw_film(IMAGE, segmentation([LABELS, grown], LABELS == 1))
    image, alone, first, last, front = frames(sheet, 5)
    assert (image[9:-9, 9:-9] == 100).all()
    assert (alone[:, 120] == 255).mean() > 0.9  # a line between patches
    # Communities keep their colour; one that is joined has that of the other.
    assert first[60, 60].tolist() == last[60, 60].tolist() == first[180, 60].tolist()
    assert first[60, 300].tolist() != first[180, 180].tolist()
    assert last[60, 300].tolist() == last[180, 180].tolist() != last[60, 60].tolist()
    assert (front[180, 180] == 100).all() and (front[60, 60] == 25).all()


def test_no_decision_is_dark_and_long_films_are_cut():
    sheet = draw_film(IMAGE, segmentation([LABELS], None))
    assert (frames(sheet, 4)[3][9:-9, 9:-9] == 25).all()
    long = draw_film(IMAGE, segmentation([LABELS] * 40, None))
    rows = round(long.shape[0] / (HEIGHT + CAPTION))
    assert rows == -(-(MOST + 2) // 6)
