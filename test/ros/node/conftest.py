# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Transforms between frames: those of tf2 where it is installed, and a stand-in everywhere."""

from importlib.util import find_spec
import sys
from types import ModuleType

from geometry_msgs.msg import TransformStamped
import pytest
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time


class TransformException(Exception):
    """What tf2 raises."""


class LookupException(TransformException):
    """A frame is unknown."""


class ExtrapolationException(TransformException):
    """Nothing is known of that time."""


class Buffer:
    """Knows transforms from one frame right to another one, at the times that they were sent."""

    def __init__(self):
        self.known = {}

    def lookup_transform(self, target, source, stamp):
        times = self.known.get((target, source), {})
        if not times:
            raise LookupException(f'"{target}" passed to lookupTransform does not exist')
        known = times.get(0) or times.get(stamp.nanoseconds)
        if known is None:
            raise ExtrapolationException('Lookup would require extrapolation')
        return known

    def get_latest_common_time(self, target, source):
        return Time(nanoseconds=max(self.known[target, source]))

    def clear(self):
        self.known = {pair: times for pair, times in self.known.items() if 0 in times}


class TransformListener:
    """Lets a buffer be told what is sent.

    :ivar buffers: of all listeners.
    """

    buffers = []

    def __init__(self, buffer, node, spin_thread):
        self.buffer = buffer
        self.buffers.append(buffer)

    def unregister(self):
        self.buffers.remove(self.buffer)


class Frames:
    """Sends transforms to whoever listens by the tf2 of a test."""

    def __init__(self, world, buffers):
        self._world, self._buffers, self._publishers = world, buffers, {}

    def send(self, parent, child, seconds=0, translation=(0, 0, 0), rotation=(0, 0, 0, 1)):
        """Send where a frame is in its parent; without a time it does not move."""
        msg = TransformStamped(child_frame_id=child)
        msg.header.frame_id = parent
        msg.header.stamp = Time(seconds=seconds).to_msg()
        for part, values in ((msg.transform.translation, translation),
                             (msg.transform.rotation, rotation)):
            for name, value in zip('xyzw', values):
                setattr(part, name, float(value))
        if self._buffers is None:
            self._publish(msg, '/tf' if seconds else '/tf_static')
        for buffer in self._buffers or ():
            buffer.known.setdefault((parent, child), {})[int(seconds * 1e9)] = msg

    def _publish(self, msg, topic):
        kind = sys.modules['tf2_msgs.msg'].TFMessage
        if topic not in self._publishers:
            self._publishers[topic] = self._world.peer.create_publisher(kind, topic, QoSProfile(
                depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        publisher = self._publishers[topic]
        self._world.connect(publisher)
        publisher.publish(kind(transforms=[msg]))
        self._world.wait(lambda: publisher.wait_for_all_acked(Duration(seconds=0.1)))
        self._world.spin(0.2)


@pytest.fixture(params=['stand-in', 'tf2'])
def frames(request, world, monkeypatch):
    """Return who sends transforms."""
    if request.param == 'tf2':
        if find_spec('tf2_ros') is None:
            pytest.skip('tf2_ros is not installed')
        __import__('tf2_ros')
        yield Frames(world, None)
        return
    module = ModuleType('tf2_ros')
    for kind in (TransformException, LookupException, ExtrapolationException, Buffer,
                 TransformListener):
        setattr(module, kind.__name__, kind)
    TransformListener.buffers = []
    monkeypatch.setitem(sys.modules, 'tf2_ros', module)
    yield Frames(world, TransformListener.buffers)
    assert len(TransformListener.buffers) <= 1  # that of a node that is still there
