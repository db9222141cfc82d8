# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The third process of the demo: sees what the camera sends and what the node makes of it.

It pairs images and results by their stamps, draws them, and tells on standard output, one JSON
object per line, how far it is. When its standard input ends, nothing more will be sent; it then
waits for the last results, tells the sums and ends.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
import sys
from threading import Event
import time
from typing import Any, Mapping, Sequence

import cv2
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import Image

from mcn_ros.data.results import HeadInfo
from mcn_ros.ros.executable import end_of_input, run_node, write_event
from mcn_ros.ros.node.conversions import image_to_rgb, message_class
from mcn_ros.ros.tools.heads import await_heads, LATCHED, NODE, SETTLE_S
from mcn_ros.visualization import draw

QUIET_S = 0.5  # after the last image, in which one that is on its way would arrive
PATIENCE_S = 20.0  # without any news, for results that are due; the slowest networks take seconds
MAX_PENDING = 64  # frames that are kept until their results come


@dataclass
class PendingFrame:
    """An image and its results, as far as they have come."""

    index: int
    image: Image | None = None
    results: dict[str, Any] = field(default_factory=dict)
    latency_ms: float = 0.0


class Collector(Node):
    """
    Collects, once the node has told which heads it has and, on /diagnostics, where it runs.

    Only then does it subscribe to the images: a camera that waits for two subscribers, the node
    and this one, sends its first image when everyone is ready for it.
    """

    def __init__(self):
        super().__init__('collector')
        self._out = Path(self.declare_parameter('out', '.').value)
        self._image_topic = self.resolve_topic_name('image')
        self._details: dict[str, str] = {}
        self._heads: Mapping[str, HeadInfo] = {}
        self._descriptions: dict[str, Any] = {}
        self._frames: dict[tuple[int, int], PendingFrame] = {}
        self._last: PendingFrame | None = None
        self._counts = {'frames_sent': 0, 'frames_processed': 0, 'detections': 0, 'poses': 0,
                        'semantic_images': 0}
        self._latencies: list[float] = []
        self._news = time.monotonic()
        self._painter = ThreadPoolExecutor(1)
        self._pictures: list[Future] = []
        self._timer = None
        await_heads(self, NODE, self._subscribe)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._receive_diagnostics, 10)

    def collect(self, ended: Event) -> dict[str, Any]:
        """Collect until ``ended`` and the last image has its results; return the summary."""
        while not (ended.is_set() and self._is_complete()):
            rclpy.spin_once(self, timeout_sec=0.1)
        for picture in self._pictures:
            picture.result()
        percentiles = {f'p{p}': float(np.percentile(self._latencies, p)) if self._latencies
                       else None for p in (50, 95, 99)}
        return {**self._counts, 'latency_ms': percentiles,
                'device': self._details.get('device'), 'backend': self._details.get('backend'),
                'heads': list(self._heads)}

    def _is_complete(self) -> bool:
        quiet = time.monotonic() - self._news
        answered = self._last is not None and len(self._last.results) == len(self._heads)
        return quiet > (QUIET_S if answered else PATIENCE_S)

    def _receive_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            if status.hardware_id == self._image_topic and not self._details:
                self._details = {item.key: item.value for item in status.values}

    def _subscribe(self, heads: Mapping[str, HeadInfo]) -> None:
        self._heads = heads
        for name, head in heads.items():
            self._counts.setdefault(head.result.plural, 0)
            self.create_subscription(
                message_class(head.topics[head.topic]), NODE + head.topic,
                lambda msg, name=name: self._receive(name, msg), 100)
            for topic, kind in head.info.items():
                self.create_subscription(
                    message_class(kind), NODE + topic,
                    lambda msg, name=name: self._descriptions.update({name: msg}), LATCHED)
        self._timer = self.create_timer(SETTLE_S, self._subscribe_to_images)

    def _subscribe_to_images(self) -> None:
        described = {name for name, head in self._heads.items() if head.info}
        if self._details and described == self._descriptions.keys():
            self._timer.cancel()
            self.create_subscription(Image, 'image', self._receive_image, 100)

    def _receive_image(self, msg: Image) -> None:
        frame = self._frame(msg)
        frame.image, self._last = msg, frame
        self._counts['frames_sent'] += 1
        self._report_progress(frame)

    def _receive(self, head: str, msg: Any) -> None:
        frame = self._frame(msg)
        result = self._heads[head].read(msg)
        frame.results[head] = result
        self._counts[self._heads[head].result.plural] += 1 if result.size else len(result)
        if len(frame.results) == len(self._heads):
            age = self.get_clock().now() - Time.from_msg(msg.header.stamp)
            frame.latency_ms = age.nanoseconds / 1e6
            self._latencies.append(frame.latency_ms)
            self._counts['frames_processed'] += 1
        self._report_progress(frame)

    def _frame(self, msg: Any) -> PendingFrame:
        """Return the frame that a message belongs to; forget those that were never answered."""
        stamp = msg.header.stamp.sec, msg.header.stamp.nanosec
        if stamp not in self._frames:
            index = self._counts['frames_sent']
            self._frames[stamp] = PendingFrame(index)
            if len(self._frames) > MAX_PENDING:
                del self._frames[next(iter(self._frames))]
        return self._frames[stamp]

    def _report_progress(self, frame: PendingFrame) -> None:
        self._news = time.monotonic()
        if frame.image is not None and len(frame.results) == len(self._heads):
            self._pictures.append(self._painter.submit(
                self._paint, frame.image, frame.results.copy(), frame.latency_ms, frame.index))
            frame.image = None  # drawn once, and not kept
        write_event({key: self._counts[key] for key in ('frames_sent', 'frames_processed')})

    def _paint(self, image: Image, results: dict[str, Any], latency_ms: float,
               index: int) -> None:
        names = {name: head.classes for name, head in self._heads.items()}
        thresholds = {name: self._descriptions[name].threshold
                      for name, head in self._heads.items() if head.skeleton}
        # The node has applied its other thresholds.
        picture = draw(image_to_rgb(image), results, names, 0.0, keypoint_thresholds=thresholds,
                       text=f'{latency_ms:.0f} ms')
        path = self._out / f'overlay_{index:06d}.png'
        cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def main(args: Sequence[str] | None = None) -> int:
    """Run the collector; it ends by itself after the end of standard input."""
    return run_node('collector', Collector, lambda node: node.collect(end_of_input()), args)


if __name__ == '__main__':
    sys.exit(main())
