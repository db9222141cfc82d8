# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Transforms at the times of images, and why there is none."""

import sys
from threading import Thread
import time

import numpy as np
import pytest
from rclpy.time import Time

from mcn_ros.ros.node.transforms import EARLY, LATE, TransformError, Transforms, UNKNOWN

QUARTER = 0, 0, np.sqrt(0.5), np.sqrt(0.5)  # a turn about z


@pytest.fixture
def to_map(world, frames):
    found = Transforms(world.peer, 'map')
    yield found
    found.destroy()


def at(seconds):
    return Time(seconds=seconds).to_msg()


def cause(to_map, seconds, timeout_s=0.0):
    with pytest.raises(TransformError) as error:
        to_map.find('eye', at(seconds), timeout_s)
    assert "from frame 'eye' to 'map': " in str(error.value)
    return error.value.cause


def test_what_does_not_move_is_known_at_any_time_and_is_not_forgotten(to_map, frames):
    assert cause(to_map, 5) == UNKNOWN
    frames.send('map', 'eye', translation=(1, 2, 3), rotation=QUARTER)
    to_map.forget()
    for seconds in (1, 1000):
        np.testing.assert_allclose(to_map.find('eye', at(seconds), 0.0), [
            [0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3]], atol=1e-12)


def test_the_time_is_that_of_the_image(to_map, frames):
    for seconds in (10, 11, 12):
        frames.send('map', 'eye', seconds, translation=(seconds, 0, 0))
    assert to_map.find('eye', at(11), 0.0)[0, 3] == 11
    assert cause(to_map, 13) == EARLY and cause(to_map, 9) == LATE
    begin = time.monotonic()
    assert cause(to_map, 9, timeout_s=60.0) == LATE  # that does not become better
    assert time.monotonic() - begin < 30
    to_map.forget()
    assert cause(to_map, 11) == UNKNOWN


def test_what_comes_late_is_waited_for(to_map, frames, world):
    frames.send('map', 'eye', 1)
    found = []
    waiting = Thread(target=lambda: found.append(to_map.find('eye', at(2), 60.0)))
    waiting.start()
    world.spin(0.1)
    assert not found
    frames.send('map', 'eye', 2, translation=(7, 0, 0))
    waiting.join(60)
    assert found[0][0, 3] == 7


def test_without_tf2_it_says_what_is_missing(world, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tf2_ros', None)
    with pytest.raises(ValueError, match="target_frame: 'map' needs tf2_ros, which is not .*apt"):
        Transforms(world.peer, 'map')


def test_a_name_with_a_slash_is_refused(world):
    with pytest.raises(ValueError, match="target_frame: '/map': no frame has a slash"):
        Transforms(world.peer, '/map')
