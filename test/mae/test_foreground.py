# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The rule for what is foreground."""

import numpy as np
import pytest

from mcn_ros.mae.foreground import foreground


def grid(*rows):
    return np.array([list(map(int, row)) for row in rows])


def test_what_the_border_is_of_is_background():
    labels = grid('00000', '00110', '00110', '00000')
    assert np.array_equal(foreground(labels), labels == 1)


def test_so_is_what_lies_at_the_border_mostly():
    # Of 1, 3 of 5 are at the border; of 2, it is 2 of 4.
    labels = grid('0111000', '0110022', '0000022', '0000000')
    assert np.array_equal(foreground(labels), labels == 2)
    labels[1, 3] = 1  # 3 of 6
    assert np.array_equal(foreground(labels), labels > 0)


@pytest.mark.parametrize('labels', [
    np.zeros((4, 4), int), grid('0011', '0011', '0011'),
    np.pad(np.arange(1, 1 + 18 * 18).reshape(18, 18), 1)])
def test_nothing_and_nearly_all_are_no_decision(labels):
    assert foreground(labels) is None
