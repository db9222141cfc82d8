# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which things stand out, by hand."""

import numpy as np
import pytest

from mcn_ros.data.synthetic.saliency import standing_out

SIZE = (40, 40)


def things(*boxes):
    numbers = np.zeros(SIZE, np.uint16)
    for number, (left, top, right, bottom) in enumerate(boxes, 1):
        numbers[top:bottom, left:right] = number
    return numbers


def found(*boxes, visible=None):
    visible = np.ones(len(boxes)) if visible is None else np.array(visible)
    return standing_out(things(*boxes), visible).tolist()


MIDDLE, LEFT = (15, 15, 25, 25), (2, 15, 12, 25)  # both 10 x 10 pixels


@pytest.mark.parametrize('boxes, expected', [
    ((), []),
    (((18, 18, 21, 23),), []),  # 15 of 1600 pixels
    (((18, 18, 22, 22),), [1]),  # 16
    ((MIDDLE,), [1]),
    # 13 pixels from the middle, of 28.3: exp(-.46 ** 2 / .245) = .42.
    ((MIDDLE, LEFT), [1]),
    # 10 pixels: exp(-.354 ** 2 / .245) = .60.
    ((MIDDLE, (5, 15, 15, 25)), [1, 2]),
    # No more than three; the larger, the further in front.
    (((15, 20, 20, 25), (20, 20, 26, 26), (15, 15, 20, 20), (20, 14, 24, 20)), [2, 1, 3])])
def test_large_things_in_the_middle_stand_out(boxes, expected):
    assert found(*boxes) == expected


def test_what_is_hidden_or_cut_off_stands_out_half_as_much():
    pair = MIDDLE, (5, 15, 15, 25)
    assert found(*pair, visible=(1, .6)) == [1, 2]
    assert found(*pair, visible=(1, .59)) == [1]
    assert found(*pair, visible=(.59, 1)) == [2, 1]
    # .38 of the score of the other; at one border as it is, at two half of it.
    beside = (14, 0, 26, 10), (10, 18, 30, 32)
    assert found(*beside) == [2]
    wide, middle = (0, 24, 39, 30), (16, 16, 24, 24)
    assert found(wide, middle) == [1, 2]
    assert found((0, 24, 40, 30), middle) == [2, 1]
