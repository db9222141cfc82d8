# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the node says of images that are sent to it one by one."""

import time
from typing import Any, Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from mcn_ros.data.results import HeadInfo
from mcn_ros.ros.node.conversions import message_class
from mcn_ros.ros.tools.heads import await_heads, NODE, SETTLE_S

# What has become of the images that the node has done with, as its reports have it.
ENDS = ('frames processed', 'dropped: superseded by a newer image',
        'dropped: image not decodable', 'dropped: inference failed')


class Answers:
    """
    Follows what becomes of the images of a sender, who sends nothing before ``ready``.

    An image has its answer when the results of all heads have come. What has none, or whose
    results were lost on their way, is known from the reports of the node, once per second: it has
    done with as many images as were sent.

    :param sender: node of whom sends the images, and nobody else does.
    :param image_topic: full name of the topic that the node has them from.
    """

    def __init__(self, sender: Node, image_topic: str):
        self._sender = sender
        self._image_topic = image_topic
        self._heads: Mapping[str, HeadInfo] = {}
        self._settled = False
        self._done_before: int | None = None  # images that the node had done with at the start
        self._done, self._sent = 0, 0
        self._error = ''
        self._stamp: Any = None
        self._answered: set[str] = set()
        self._timer = None
        await_heads(sender, NODE, self._subscribe)
        sender.create_subscription(DiagnosticArray, '/diagnostics', self._receive_reports, 10)

    @property
    def ready(self) -> bool:
        """Return whether it is known what has to come, and that it will be heard."""
        return self._settled and self._done_before is not None

    def wait(self, name: str, stamp: Any, patience_s: float) -> bool:
        """
        Wait until the node has done with the image that was just sent.

        :param name: of the image, for the log.
        :param stamp: of its header.
        :param patience_s: seconds to wait.
        :return: whether the results of all heads have come; if not, the log says why.
        :raises TimeoutError: if the node has said nothing of it by then.
        """
        self._stamp, self._sent = stamp, self._sent + 1
        self._answered.clear()
        if self._spin(patience_s, self._is_reported):
            # A report may overtake results, which come on other topics.
            self._spin(SETTLE_S, self._is_answered)
        if self._is_answered():
            return True
        if not self._is_reported():
            raise TimeoutError(f'image {name}: no answer from the node for {patience_s:g} s, '
                               'neither results nor a report that it is dropped')
        self._sender.get_logger().warning(
            f'image {name}: the node has no results for it; its last error: {self._error}')
        return False

    def _spin(self, seconds: float, until: Callable[[], bool]) -> bool:
        """Spin until something is true or there are answers; return whether it is true."""
        deadline = time.monotonic() + seconds
        while not (until() or self._is_answered()):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            rclpy.spin_once(self._sender, timeout_sec=remaining)
        return until()

    def _is_answered(self) -> bool:
        return len(self._answered) == len(self._heads)

    def _is_reported(self) -> bool:
        return self._done - self._done_before >= self._sent

    def _subscribe(self, heads: Mapping[str, HeadInfo]) -> None:
        self._heads = heads
        for name, head in heads.items():
            self._sender.create_subscription(
                message_class(head.topics[head.topic]), NODE + head.topic,
                lambda msg, name=name: self._receive(name, msg), 10)
        self._timer = self._sender.create_timer(SETTLE_S, self._settle, clock=Clock(
            clock_type=ClockType.STEADY_TIME))

    def _settle(self) -> None:
        self._timer.cancel()
        self._settled = True

    def _receive(self, head: str, msg: Any) -> None:
        if msg.header.stamp == self._stamp:
            self._answered.add(head)

    def _receive_reports(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            if status.hardware_id == self._image_topic:
                self._receive_report(status)

    def _receive_report(self, status: DiagnosticStatus) -> None:
        values = {item.key: item.value for item in status.values}
        # What the middleware does not number is not known to be superseded.
        self._done = sum(int(values[end]) for end in ENDS if values.get(end, '').isdigit())
        self._error = values.get('last error', 'unknown')
        if self._done_before is None:
            self._done_before = self._done
