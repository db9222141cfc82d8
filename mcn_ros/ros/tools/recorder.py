# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Records what the node says into a bag (mcap), while it says it; `ros2 bag play` plays it again.

The time of a message in the bag is that of its receipt by the middleware, or of /clock with
``use_sim_time``; its header has the stamp of the frame, so that the difference is the latency. The
bag also has the node's reports, the descriptions of classes and joints, and
``image/source_stamp`` where a camera player tells it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import sys
from threading import Event
import time
from typing import Any, Callable, Mapping, Sequence

from ament_index_python.packages import get_package_share_directory
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import ParameterDescriptor
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.interfaces import (
    Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime)
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from sensor_msgs.msg import TimeReference
from std_msgs.msg import String

from mcn_ros.data.results import HeadInfo, heads_from_json, HEADS_TOPIC
from mcn_ros.ros.command_line import check_command_line
from mcn_ros.ros.executable import end_of_input, run_node, write_event
from mcn_ros.ros.node.conversions import message_class
from mcn_ros.ros.tools.heads import LATCHED, NODE, SETTLE_S

NAME = 'recorder'
DEPTH = 1000  # messages that wait while others are written
QUIET_S = 1.0  # after the last message; a report of the node that comes later knows of all frames
PATIENCE_S = 20.0  # without any news, for results that are due; the slowest networks take seconds
NOTES = 'recording_notes'

# Name -> default, description.
PARAMETERS = {
    'out': ('recording', 'Folder of the bag, which must not exist.'),
    'notes': ('{}', f'JSON that is recorded as {NOTES}: what the recording is of.'),
    'strip_namespace': (False, 'Whether topics lose the namespace of the recorder in the bag.'),
    'until_input_ends': (False, 'Whether to end after standard input: nothing more is sent then.'),
}

# Packages of messages that readers of bags do not know, in an order in which they can be learnt.
DESCRIBED = ('vision_msgs', 'mcn_ros_msgs')


class Recorder(Node):
    """
    Records, from the moment at which the node tells which heads it has: that is before it runs.

    The bag is whole once the node is destroyed.

    :raises ValueError: if there is a bag already.
    :raises OSError: if it cannot be written.
    """

    def __init__(self):
        # It comes first, as rclpy also destroys a node whose constructor has failed.
        self._writer = None
        super().__init__(NAME)
        for name, (default, description) in PARAMETERS.items():
            self.declare_parameter(name, default, ParameterDescriptor(
                description=description, read_only=True))
        image = self.resolve_topic_name('image')
        self._image_topics = (image, f'{image}/compressed')
        self._heads: dict[str, HeadInfo] = {}
        self._described: set[str] = set()
        self._details: dict[str, str] = {}
        self._counts = {'frames_sent': 0, 'results': 0}
        self._news = time.monotonic()
        self._settled = False
        self._timer = None
        self._types = message_types()
        self._connections: dict[str, Any] = {}
        self._early: list[tuple[Any, bytes]] = []
        self._writer = open_bag(self.value('out'))
        self._write(NOTES, String, True, serialize_message(String(data=self.value('notes'))))
        self._record('/diagnostics', DiagnosticArray, self._receive_report)
        self._record(NODE + HEADS_TOPIC, String, self._meet_heads, latched=True)

    def value(self, name: str) -> Any:
        """Return the value of a parameter."""
        return self.get_parameter(name).value

    def destroy_node(self) -> None:
        """Destroy the node, then close the bag."""
        super().destroy_node()
        if self._writer is not None:
            writer, self._writer = self._writer, None  # not twice, should it fail
            with self._whole():
                writer.close()

    def run(self, ended: Event) -> dict[str, Any]:
        """Record until ``ended`` and nothing more comes; return counts, heads, device, backend."""
        while not ended.is_set():
            rclpy.spin_once(self, timeout_sec=0.1)
        self._note_news()  # an earlier report cannot have known of the last images
        while not self._settled and time.monotonic() - self._news < PATIENCE_S:
            rclpy.spin_once(self, timeout_sec=0.1)
        return {**self._counts, 'heads': list(self._heads), 'device': self._details.get('device'),
                'backend': self._details.get('backend')}

    def _record(self, topic: str, kind: type, receive: Callable[[bytes], None],
                latched: bool = False) -> None:
        def write(data: bytes, info: Mapping[str, Any]) -> None:
            self._write(topic, kind, latched, data, info['received_timestamp'])
            receive(data)

        self.create_subscription(
            kind, topic, write, LATCHED if latched else QoSProfile(depth=DEPTH), raw=True)

    def _meet_heads(self, data: bytes) -> None:
        if self._heads:  # it is told again with every change of a parameter
            return
        self._heads = heads_from_json(deserialize_message(data, String).data)
        for head in self._heads.values():
            self._record(NODE + head.topic, message_class(head.topics[head.topic]),
                         lambda _: self._count('results'))
            for topic, kind in head.info.items():
                self._record(NODE + topic, message_class(kind),
                             lambda _, topic=topic: self._described.add(topic), latched=True)
        self._timer = self.create_timer(SETTLE_S, self._subscribe_to_stamps, clock=Clock(
            clock_type=ClockType.STEADY_TIME))

    def _write(self, topic: str, kind: type, latched: bool, data: bytes,
               received_ns: int = 0) -> None:
        if topic not in self._connections:
            self._connections[topic] = self._connect(topic, kind, latched)
        now = self._time(received_ns)
        self._early.append((self._connections[topic], data))
        if now:  # before the first /clock there is no time
            with self._whole():
                for connection, waiting in self._early:
                    self._writer.write(connection, now, waiting)
            self._early.clear()

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Name the bag in what goes wrong when it is written: a full disk, most of all."""
        try:
            yield
        except (OSError, WriterError) as error:
            raise OSError(f'out: {self.value("out")}: cannot be written, the bag is not whole: '
                          f'{error}') from error

    def _connect(self, topic: str, kind: type, latched: bool) -> Any:
        """Make a topic of the bag, with the QoS by which a player has to publish it."""
        name = self.resolve_topic_name(topic)
        if self.value('strip_namespace'):
            name = name.removeprefix(self.get_namespace().rstrip('/'))
        msgtype = f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'
        return self._writer.add_connection(
            name, msgtype, typestore=self._types, offered_qos_profiles=[bag_qos(latched)])

    def _time(self, received_ns: int = 0) -> int:
        """Return the time for the bag: that of the middleware's clock, which knows no /clock."""
        if received_ns and not self.get_clock().ros_time_is_active:
            return received_ns
        return self.get_clock().now().nanoseconds

    def _receive_report(self, data: bytes) -> None:
        for status in deserialize_message(data, DiagnosticArray).status:
            if status.hardware_id in self._image_topics:
                self._details = {item.key: item.value for item in status.values}
                quiet = time.monotonic() - self._news > QUIET_S
                self._settled = quiet and not frames_at_work(status)

    def _subscribe_to_stamps(self) -> None:
        # The player sends its first image when someone listens to this: all else is ready then.
        described = {topic for head in self._heads.values() for topic in head.info}
        if self._details and described <= self._described:
            self._timer.cancel()
            self._record(f'{self._image_topics[0]}/source_stamp', TimeReference,
                         lambda _: self._count('frames_sent'))

    def _count(self, what: str) -> None:
        self._counts[what] += 1
        self._note_news()
        if self.value('until_input_ends'):  # somebody waits for it
            write_event(self._counts)

    def _note_news(self) -> None:
        self._news, self._settled = time.monotonic(), False


def frames_at_work(status: DiagnosticStatus) -> int:
    """Return how many images the node has received but has neither processed nor dropped."""
    return int(next(item.value for item in status.values if item.key == 'images at work'))


def message_types() -> Any:
    """Return the definitions of all messages that are recorded, as the library has them."""
    store = get_typestore(Stores.ROS2_KILTED)
    for package in DESCRIBED:
        folder = Path(get_package_share_directory(package), 'msg')
        types = {}
        for path in sorted(folder.glob('*.msg')):
            types.update(get_types_from_msg(path.read_text(), f'{package}/msg/{path.stem}'))
        store.register(types)
    return store


def bag_qos(latched: bool) -> Qos:
    """Return what a player offers: reliable, and to late subscribers what is latched."""
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    endless = QosTime(9223372036, 854775807)
    return Qos(QosHistory.KEEP_LAST, 1 if latched else 10, QosReliability.RELIABLE, durability,
               endless, endless, QosLiveliness.AUTOMATIC, endless, False)


def open_bag(path: str) -> Writer:
    """Open a new bag; ValueError if something is there already."""
    try:
        writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        writer.open()
    except WriterError as error:
        raise ValueError(f'out: {error}') from error
    return writer


def main(args: Sequence[str] | None = None) -> int:
    """Run the executable ``recorder``: until it is asked to end, or its standard input ends."""
    def run(recorder: Recorder) -> dict[str, Any]:
        return recorder.run(end_of_input() if recorder.value('until_input_ends') else Event())

    check_command_line(NAME, __doc__, PARAMETERS, args)
    return run_node(NAME, Recorder, run, args)


if __name__ == '__main__':
    sys.exit(main())
