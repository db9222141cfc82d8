# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The depth of an image: messages wait in the middleware, and the one that fits becomes an object.

The image is some time old when its results are there, so depth of the last second is kept as it
was sent. Of all that only the stamp is read; most messages are never made objects of.
"""

from collections import deque
import struct
import sys
from threading import Lock
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from mcn_ros.ros.node.diagnostics import SILENCE_S
from mcn_ros.ros.node.intake import (
    has_message, offered_reliability, PolledCallbackGroup, take_newest, take_serialised)
from mcn_ros.ros.node.silence import Input, why_silent

QUEUE = 16  # messages in the middleware: half a second of a usual camera
KEPT_NS = 1_000_000_000
MOST_KEPT, MOST_BYTES = 32, 64_000_000
DEPTH = Input('depth', 'images', (Image, CompressedImage), 'depth.transport')
POINTS = Input('points', 'clouds', (PointCloud2,), 'depth.source')


class MatchedSubscription:
    """
    A subscription that is polled, with the quality of service that its publishers offer.

    :ivar subscription: None while there is none.
    """

    def __init__(self, node: Node, msg_type: type, topic: str, depth: int):
        self._node, self._msg_type, self._depth = node, msg_type, depth
        self._group = PolledCallbackGroup()
        self.topic = topic
        self.subscription: Subscription | None = None

    def match(self) -> None:
        """Subscribe, or subscribe anew if the publishers of now need another quality."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        latched = [p.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
                   for p in publishers]
        wanted = (offered_reliability(publishers), DurabilityPolicy.TRANSIENT_LOCAL
                  if latched and all(latched) else DurabilityPolicy.VOLATILE)
        if self.subscription is not None:
            current = self.subscription.qos_profile
            if wanted == (current.reliability, current.durability):
                return
            self.close()
        self.subscription = self._node.create_subscription(
            self._msg_type, self.topic, lambda _: None,  # it is taken from, never called
            QoSProfile(depth=self._depth, reliability=wanted[0], durability=wanted[1]),
            callback_group=self._group)

    def close(self) -> None:
        """Subscribe no more."""
        subscription, self.subscription = self.subscription, None
        if subscription is not None:
            self._node.destroy_subscription(subscription)


class DepthIntake:
    """
    What a depth camera sends; its subscriptions exist only while it is followed.

    :param msg_type: of the messages of depth.
    :param topic: of these.
    :param info_topic: of the camera_info that belongs to them, '' for none.
    :ivar nearest_s: seconds from the stamp that was looked for last to the nearest one; None where
        there was none at all.
    """

    def __init__(self, node: Node, msg_type: type, topic: str, info_topic: str):
        self._node, self._msg_type = node, msg_type
        self._depth = MatchedSubscription(node, msg_type, topic, QUEUE)
        self._info = MatchedSubscription(node, CameraInfo, info_topic, 1) if info_topic else None
        self._subscriptions = [self._depth, *([self._info] if self._info else [])]
        self._lock = Lock()
        self._kept: deque[tuple[int, bytes]] = deque()  # stamp, message; by their stamps
        self._last_info: CameraInfo | None = None
        self._last_message = time.monotonic()
        self.topic, self.info_topic = topic, info_topic
        self.nearest_s: float | None = None

    @property
    def source(self) -> str:
        """Return the topics, for people."""
        return self.topic + (f' ({self.info_topic})' if self.info_topic else '')

    @property
    def is_open(self) -> bool:
        """Return whether depth is subscribed to."""
        return self._depth.subscription is not None

    def follow(self) -> None:
        """Subscribe, with what the publishers of now offer."""
        if not self.is_open:
            self._last_message = time.monotonic()  # silence counts from here on
        for each in self._subscriptions:
            each.match()
        if has_message(self._depth.subscription, self._node.context):
            self._last_message = time.monotonic()

    def close(self) -> None:
        """Subscribe no more, and forget depth; camera_info may have come for the only time."""
        for each in self._subscriptions:
            each.close()
        self.forget()

    def forget(self) -> None:
        """Forget the depth of before, as the time has jumped."""
        with self._lock:
            self._kept.clear()

    def describe_silence(self) -> str:
        """Return that no depth comes, and why that may be; '' where it comes, or is not wanted."""
        subscription = self._depth.subscription
        silence = time.monotonic() - self._last_message
        if subscription is None or silence <= SILENCE_S:
            return ''
        expected = POINTS if self._msg_type is PointCloud2 else DEPTH
        return (f'no depth on {self.topic} for {silence:.0f} s: '
                + why_silent(self._node, subscription, expected))

    def collect(self, oldest_ns: int = sys.maxsize) -> None:
        """Take what has come from the middleware; ``oldest_ns`` and later is kept in any case."""
        subscription = self._depth.subscription
        messages = take_serialised(subscription) if subscription is not None else []
        with self._lock:
            for message in messages:
                stamp = serialised_stamp_ns(message)
                if stamp is None:
                    continue
                if self._kept and stamp < self._kept[-1][0]:
                    self._kept.clear()  # a bag starts again
                self._kept.append((stamp, message))
            while self._kept and (
                    self._kept[0][0] < min(self._kept[-1][0] - KEPT_NS, oldest_ns)
                    or len(self._kept) > MOST_KEPT
                    or sum(len(message) for _, message in self._kept) > MOST_BYTES):
                self._kept.popleft()
        if messages:
            self._last_message = time.monotonic()

    def find(self, stamp_ns: int, slop_s: float, deadline: float) -> Any | None:
        """
        Return the depth of an image: that of the same stamp, else of the nearest one.

        :param slop_s: how far the nearest one may be.
        :param deadline: of the steady clock, until which the depth may still come.
        :raises ValueError: for an image without a stamp, and where depth has none: nothing tells
            which of them belong together.
        """
        if not stamp_ns:
            raise ValueError('the image has the stamp 0: its depth cannot be told')
        while (not self.has(stamp_ns, slop_s) and (rest := deadline - time.monotonic()) > 0
               and (subscription := self._depth.subscription) is not None
               and has_message(subscription, self._node.context, rest)):
            pass
        with self._lock:
            stamp, message = min(self._kept, key=lambda kept: abs(kept[0] - stamp_ns),
                                 default=(None, b''))
        if stamp == 0:
            raise ValueError('depth has the stamp 0: its image cannot be told')
        self.nearest_s = None if stamp is None else abs(stamp - stamp_ns) / 1e9
        if self.nearest_s is None or self.nearest_s > slop_s:
            return None
        return deserialize_message(message, self._msg_type)

    def has(self, stamp_ns: int, slop_s: float) -> bool:
        """Return whether no better depth of an image can come, after what :meth:`find` has."""
        # On a slow machine, the image may be older than what is kept otherwise.
        self.collect(stamp_ns - round(slop_s * 1e9))
        with self._lock:
            newest_ns = self._kept[-1][0] if self._kept else None
        # That of that time or of later is there; or none has a stamp.
        return newest_ns is not None and (newest_ns >= stamp_ns or not newest_ns)

    def info(self) -> CameraInfo | None:
        """Return the camera_info that came last; None for none."""
        subscription = self._info.subscription if self._info is not None else None
        newest = take_newest(subscription) if subscription is not None else None
        if newest is not None:
            self._last_info = newest[0]
        return self._last_info


def serialised_stamp_ns(message: bytes) -> int | None:
    """
    Return the stamp of a serialised message that begins with a header; None where it has none.

    Four bytes tell the encapsulation, the second of them the byte order.
    """
    if len(message) < 12:
        return None
    seconds, nanoseconds = struct.unpack_from('<iI' if message[1] & 1 else '>iI', message, 4)
    return seconds * 1_000_000_000 + nanoseconds
