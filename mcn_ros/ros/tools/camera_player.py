# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A camera without a camera: publishes drawn scenes, images, a video or a bag.

With the stamps of now, latency is what it is on a robot: from an image's stamp to its results, by
one clock. ``source_stamps`` then tells what stamp each image has in its source. With the stamps of
the source and ``clock``, the time is that of the source, as with `ros2 bag play --clock`.
"""

from itertools import chain, count, islice
import sys
import time
from typing import Any, Iterator, Sequence

import cv2
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
import rclpy
import rclpy.clock
from rclpy.clock import ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, TimeReference
from std_msgs.msg import Header

from mcn_ros.data.frames import Frame, PERIOD_NS, read_frames, SYNTHETIC
from mcn_ros.data.image_formats import EncodedImage, RawImage
from mcn_ros.ros.command_line import check_command_line
from mcn_ros.ros.executable import run_node
from mcn_ros.ros.node.conversions import encoded_to_compressed, raw_to_image, rgb_to_image
from mcn_ros.ros.tools.answers import Answers

NAME = 'camera_player'
JPEG_QUALITY = 90

# Name -> default, description.
PARAMETERS = {
    'source': (SYNTHETIC, f'{SYNTHETIC} (drawn scenes), a video, an image, a folder of images or '
               'a bag.'),
    'topic': ('', 'Image topic of the bag; may be empty if there is only one.'),
    'rate': (0.0, 'Frames per second; 0 for the pace of the source.'),
    'speed': (1.0, 'How many times faster than its own pace the source is played.'),
    'frames': (0, 'Number of frames to publish; 0 for all.'),
    'loop': (False, 'Whether to start again at the end of the source.'),
    'image_transport': ('raw', 'raw or compressed.'),
    'stamps': ('now', 'Stamp of an image: now, or that of the source.'),
    'source_stamps': (False, 'Whether image/source_stamp tells for each image what stamp it has '
                      'in the source; the first frame waits for a subscriber.'),
    'one_by_one': (False, 'Whether an image is sent only when the node mcn has done with the last '
                   'one, so that each is answered at any speed.'),
    'patience': (30.0, 'Seconds for which one_by_one waits for an answer; then it is an error.'),
    'clock': (0.0, 'How often per second /clock tells the time of the source; 0 for never.'),
    'frame_id': ('camera', 'Coordinate frame of images whose source names none.'),
    'wait_for_subscribers': (0, 'Number of subscribers that the first frame waits for.'),
    'width': (640, 'Width of drawn scenes.'),
    'height': (480, 'Height of drawn scenes.'),
    'seed': (0, 'Seed of the first drawn scene.'),
}
LIMITS = {
    'rate': FloatingPointRange(from_value=0.0, to_value=1000.0),
    'speed': FloatingPointRange(from_value=0.001, to_value=1000.0),
    'clock': FloatingPointRange(from_value=0.0, to_value=1000.0),
    'patience': FloatingPointRange(from_value=0.001, to_value=86400.0),
    'frames': IntegerRange(from_value=0, to_value=2**31, step=1),
    'width': IntegerRange(from_value=16, to_value=8192, step=1),
    'height': IntegerRange(from_value=16, to_value=8192, step=1),
}
CHOICES = {'image_transport': ('raw', 'compressed'), 'stamps': ('now', 'source')}


class CameraPlayer(Node):
    """
    Publishes ``image``, or ``image/compressed``.

    :raises rclpy.exceptions.ParameterException: for a parameter value out of its limits.
    :raises ValueError: for a source that cannot be read, or an unknown choice.
    """

    def __init__(self):
        super().__init__(NAME)
        for name, (default, description) in PARAMETERS.items():
            limit = LIMITS.get(name)
            descriptor = ParameterDescriptor(description=description, read_only=True)
            if isinstance(limit, FloatingPointRange):
                descriptor.floating_point_range = [limit]
            elif limit:
                descriptor.integer_range = [limit]
            self.declare_parameter(name, default, descriptor)
        for name, choices in CHOICES.items():
            if self.value(name) not in choices:
                raise ValueError(
                    f'{name}: {self.value(name)!r} is not one of {", ".join(choices)}')
        self._first = self._open()
        compressed = self.value('image_transport') == 'compressed'
        topic = self.resolve_topic_name('image')
        self._publisher = self.create_publisher(
            CompressedImage if compressed else Image,
            f'{topic}/compressed' if compressed else 'image', QoSProfile(depth=10),
            qos_overriding_options=QoSOverridingOptions.with_default_policies())
        self._to_message = to_compressed if compressed else to_image
        self._answers = (Answers(self, self._publisher.topic_name) if self.value('one_by_one')
                         else None)
        self._source_stamps, self._source_clock = None, None
        if self.value('source_stamps'):
            self._source_stamps = self.create_publisher(
                TimeReference, f'{topic}/source_stamp', QoSProfile(depth=100))
        if self.value('clock'):
            self._source_clock = SourceClock(self, self.value('clock'), self.value('speed'))

    def value(self, name: str) -> Any:
        """Return the value of a parameter."""
        return self.get_parameter(name).value

    def play(self) -> int:
        """Publish all frames, then wait until they have arrived; return their number."""
        while not self._is_awaited():
            rclpy.spin_once(self, timeout_sec=0.1)
        published, previous, interval, due = 0, None, PERIOD_NS / 1e9, time.monotonic()
        for frame in self._frames():
            if self.value('rate'):
                interval = 1 / self.value('rate')
            elif previous is not None and frame.stamp_ns > previous:
                interval = (frame.stamp_ns - previous) / 1e9 / self.value('speed')
            message = self._to_message(frame, Header())
            # As a camera does: what comes late is not made up for by a burst.
            due = max(due + interval, time.monotonic()) if published else due
            if self._source_clock and published:
                self._source_clock.run_to(frame.stamp_ns)
            self._spin_until(due)
            self._publish(frame, message)
            if self._answers:
                self._answers.wait(frame.name, message.header.stamp, self.value('patience'))
            published, previous = published + 1, frame.stamp_ns
        self._publisher.wait_for_all_acked(Duration(seconds=5))
        return published

    def _is_awaited(self) -> bool:
        return (self._publisher.get_subscription_count() >= self.value('wait_for_subscribers')
                and (not self._source_stamps or self._source_stamps.get_subscription_count() > 0)
                and (not self._answers or self._answers.ready))

    def _publish(self, frame: Frame, message: Image | CompressedImage) -> None:
        source = Time(nanoseconds=frame.stamp_ns)
        if self._source_clock:
            self._source_clock.jump_to(frame.stamp_ns)
        stamp = source if self.value('stamps') == 'source' else self.get_clock().now()
        message.header = Header(stamp=stamp.to_msg(),
                                frame_id=frame.frame_id or self.value('frame_id'))
        self._publisher.publish(message)
        if self._source_stamps:
            self._source_stamps.publish(TimeReference(
                header=message.header, time_ref=source.to_msg(), source=self.value('source')))

    def _open(self) -> Iterator[Frame]:
        return read_frames(self.value('source'), self.value('topic'),
                           (self.value('height'), self.value('width')), self.value('seed'))

    def _frames(self) -> Iterator[Frame]:
        frames = self._first
        if self.value('loop'):
            frames = chain(frames, chain.from_iterable(self._open() for _ in count()))
        return islice(frames, self.value('frames') or None)

    def _spin_until(self, due: float) -> None:
        while (remaining := due - time.monotonic()) > 0:
            rclpy.spin_once(self, timeout_sec=remaining)


class SourceClock:
    """
    Publishes /clock: the stamp of the last frame, and what has passed since then.

    :param node: whose clock it is.
    :param rate: messages per second.
    :param speed: seconds of the source per second.
    """

    def __init__(self, node: Node, rate: float, speed: float):
        self._publisher = node.create_publisher(Clock, '/clock', QoSProfile(depth=1))
        self._speed = speed
        self._jumped_at = 0.0
        self._source_ns: int | None = None
        self._limit_ns = 0
        node.create_timer(1 / rate, self._tick,
                          clock=rclpy.clock.Clock(clock_type=ClockType.STEADY_TIME))

    def jump_to(self, source_ns: int) -> None:
        """Take over the stamp of a frame that is about to be published."""
        self._source_ns = self._limit_ns = source_ns
        self._jumped_at = time.monotonic()
        self._tick()

    def run_to(self, limit_ns: int) -> None:
        """Run, but not beyond the stamp of the next frame, which may come late."""
        self._limit_ns = limit_ns

    def _tick(self) -> None:
        if self._source_ns is not None:
            passed = (time.monotonic() - self._jumped_at) * self._speed
            now = max(self._source_ns, min(self._source_ns + round(passed * 1e9), self._limit_ns))
            self._publisher.publish(Clock(clock=Time(nanoseconds=now).to_msg()))


def to_image(frame: Frame, header: Header) -> Image:
    """Return a frame as a message, with its own encoding if it has one."""
    if isinstance(frame.content, RawImage):
        return raw_to_image(frame.content, header)
    return rgb_to_image(frame.image, header, 'bgr8')


def to_compressed(frame: Frame, header: Header) -> CompressedImage:
    """Return a frame as a message, in its own file format if it has one, else as JPEG."""
    content = frame.content
    if not isinstance(content, EncodedImage):
        bgr = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        content = EncodedImage('bgr8; jpeg compressed bgr8', data)
    return encoded_to_compressed(content, header)


def main(args: Sequence[str] | None = None) -> int:
    """Run the executable ``camera_player``; return its exit code."""
    def run(player: CameraPlayer) -> None:
        player.get_logger().info(f'published {player.play()} frames')

    check_command_line(NAME, __doc__, PARAMETERS, args)
    return run_node(NAME, CameraPlayer, run, args)


if __name__ == '__main__':
    sys.exit(main())
