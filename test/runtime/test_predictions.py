# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Predictions come to camera pixels for who looks, once."""

from mcn_ros.runtime.predictions import Predictions


def test_only_what_is_read_is_warped_and_only_once():
    warped = []

    def to_camera(value):
        warped.append(value)
        return value.upper()

    found = Predictions({'one': 'a', 'two': 'b'}, to_camera)
    assert list(found) == ['one', 'two'] and len(found) == 2 and 'one' in found
    assert found.keys() == {'one', 'two'} and found.get('three') is None and not warped
    assert found['two'] == 'B' and found['two'] == 'B' and warped == ['b']
    assert dict(found) == {'one': 'A', 'two': 'B'} and warped == ['b', 'a']
