# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is found by stamp, as long as nobody looks back."""

from mcn_ros.evaluation.in_step import InStep


def test_values_are_found_in_the_order_of_their_stamps():
    values = InStep([1, 4, 4, 9], lambda value: value)
    assert [values.find(stamp) for stamp in (0, 1, 1, 3, 4, 9, 10)] == [
        None, 1, 1, None, 4, 9, None]


def test_what_came_before_is_not_found_again():
    values = InStep([1, 4], lambda value: value)
    assert values.find(4) == 4 and values.find(1) is None and values.find(4) == 4
    assert InStep([], int).find(1) is None
