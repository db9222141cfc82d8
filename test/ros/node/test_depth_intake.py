# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Depth that waits for its image: which message is found, and what is kept."""

import struct
import time

import pytest
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from mcn_ros.ros.node import depth_intake
from mcn_ros.ros.node.depth_intake import DepthIntake, MOST_KEPT, serialised_stamp_ns

PATIENCE_S = 15


class Eye:
    """Sends depth to an intake that is followed."""

    def __init__(self, node):
        self.node = node
        self.publisher = node.create_publisher(Image, 'depth', 100)
        self.intake = DepthIntake(node, Image, '/depth', '')
        self.intake.follow()
        end = time.monotonic() + PATIENCE_S
        while not self.publisher.get_subscription_count():
            assert time.monotonic() < end
            time.sleep(0.01)

    def send(self, *tenths, size=0):
        """Send messages of these tenths of a second, and let the intake take them."""
        for tenth in tenths:
            self.publish(tenth, size)
            self.intake.collect()

    def publish(self, tenth, size=0):
        """Let a message wait in the middleware of the intake."""
        msg = Image(width=tenth, data=bytes(size))
        msg.header.stamp.sec, rest = divmod(tenth, 10)
        msg.header.stamp.nanosec = rest * 100_000_000
        self.publisher.publish(msg)
        assert self.publisher.wait_for_all_acked(Duration(seconds=PATIENCE_S))

    def find(self, tenth, slop_s=0.0):
        """Return the tenth of a second that is found."""
        found = self.intake.find(round(tenth * 1e8), slop_s, 0.0)
        return found and found.width

    @property
    def kept(self):
        return [stamp // 100_000_000 for stamp, _ in self.intake._kept]


@pytest.fixture
def eye(ros):
    node = Node('eye')
    yield Eye(node)
    node.destroy_node()


def test_the_stamp_is_read_in_either_byte_order():
    msg = Image()
    msg.header.stamp.sec, msg.header.stamp.nanosec = -3, 999_999_999
    data = serialize_message(msg)
    assert serialised_stamp_ns(data) == -3 * 10 ** 9 + 999_999_999
    big = bytes([0, 0, 0, 0]) + struct.pack('>iI', 7, 5)
    assert serialised_stamp_ns(big) == 7 * 10 ** 9 + 5
    assert serialised_stamp_ns(big[:11]) is serialised_stamp_ns(b'') is None


def test_the_equal_stamp_is_found_else_the_nearest_within_slop(eye):
    assert eye.find(5) is None and eye.intake.nearest_s is None
    eye.send(5, 6, 8)
    assert [eye.find(5), eye.find(6), eye.find(8)] == [5, 6, 8]
    assert eye.find(6.9) is None and eye.intake.nearest_s == pytest.approx(0.09)
    assert eye.find(6.9, 0.1) == 6 and eye.find(7.1, 0.1) == 8


def test_a_second_is_kept_and_a_jump_back_clears(eye):
    eye.send(*range(20, 33))
    assert eye.kept == list(range(22, 33))
    eye.send(45)
    assert eye.kept == [45]
    eye.send(46, 3)
    assert eye.kept == [3] and eye.find(45, 1.0) is None
    eye.intake.forget()
    assert eye.kept == []


def test_depth_of_an_image_that_took_long_is_still_there(eye):
    eye.send(20, 21)
    for tenth in range(22, 35):
        eye.publish(tenth)
    assert eye.find(20.5, 0.06) == 20 and eye.kept == list(range(20, 35))


def test_number_and_bytes_are_limited(eye, monkeypatch):
    eye.send(*[5] * (MOST_KEPT + 3))
    assert len(eye.kept) == MOST_KEPT
    monkeypatch.setattr(depth_intake, 'MOST_BYTES', 2500)
    eye.send(6, 7, 8, size=1000)
    assert eye.kept == [7, 8]


def test_only_what_is_found_becomes_an_object(eye, monkeypatch):
    made, deserialize = [], depth_intake.deserialize_message
    monkeypatch.setattr(depth_intake, 'deserialize_message',
                        lambda *args: made.append(1) or deserialize(*args))
    eye.send(1, 2, 3, 4)
    assert eye.find(3) == 3 and len(made) == 1


def test_closed_it_finds_nothing_and_is_not_silent(eye, monkeypatch):
    monkeypatch.setattr(depth_intake, 'SILENCE_S', -1.0)
    assert 'no depth on /depth for 0 s: 1 publishers, which send nothing' in (
        eye.intake.describe_silence())
    eye.send(1)
    eye.intake.close()
    assert eye.find(1) is None and not eye.intake.describe_silence() and not eye.intake.is_open
