# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The cameras of the benchmark: send images to timed nodes, take their results, note the times.

What is sent is said by the parameter ``phases``, a JSON list of :class:`Phase`. On standard output
it tells, one JSON object per line, how far it is, and at last {"summary": {"phases": [...]}}.
With the parameter ``continuous``, phases follow each other without a pause, each is told as
{"record": ...} when it has ended, and none of them is kept.
"""

from dataclasses import asdict, dataclass, field
import json
import math
import os
from pathlib import Path
import sys
import time
from typing import Any, Callable, Mapping, Sequence

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from mcn_ros.config import from_dict
from mcn_ros.data.results import HeadInfo
from mcn_ros.data.synthetic import scene
from mcn_ros.geometry import Size
from mcn_ros.ros.executable import run_node, write_event
from mcn_ros.ros.node.conversions import message_class, rgb_to_image
from mcn_ros.ros.tools.heads import await_heads, SETTLE_S

NAME = 'prober'
DEPTH = 1000  # answers that wait while images are sent
PATIENCE_S = 30.0  # for an answer; the slowest networks take seconds
GAP_S = 0.03  # between an answer and the next image, so that all is quiet when it is sent
LATE = 50  # messages that are listened to at a time where an image is due already
QUIET_S = 1.0  # after the last image of a phase, in which it is answered
WARM_UP = 3  # images per camera before everything, and before a paced phase
SCENES, SCENE_SIZE = 4, (480, 640)  # pictures, sent in turn, and the size they are drawn in


@dataclass(frozen=True)
class Phase:
    """
    Images that are sent.

    :param name: of the phase.
    :param size: (height, width) of the images.
    :param seconds: for which they are sent.
    :param rate: images per second and camera; 0: the next one when the last one is answered, to
        the node and to the echo in turn, each of which is idle then.
    :param frames: least number, where the rate is 0.
    """

    name: str
    size: tuple[int, int]
    seconds: float
    rate: float = 0.0
    frames: int = 5


@dataclass
class PhaseRecord:
    """
    What came of a phase.

    :param phase: the phase.
    :param sent: camera -> number of images.
    :param answers: what the nodes told, see :mod:`mcn_ros.trials.timed_node`.
    :param echo_ms: how long an image took to the echo.
    :param memory: process -> what it holds at the end of the phase, of each node.
    :param threads: process -> number of threads, likewise.
    :param statuses: camera -> what its node last said of it on /diagnostics.
    :param ended_s: when the phase had ended, by the clock of the stamps.
    """

    phase: Phase
    sent: dict[str, int] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    echo_ms: list[float] = field(default_factory=list)
    memory: dict[int, dict[str, int]] = field(default_factory=dict)
    threads: dict[int, int] = field(default_factory=dict)
    statuses: dict[str, dict[str, str]] = field(default_factory=dict)
    ended_s: float = 0.0


class Prober(Node):
    """
    Sends, and listens to the answers.

    :raises ValueError: for phases that are none.
    """

    def __init__(self):
        # It comes first, as rclpy also destroys a node whose constructor has failed.
        self._listening = SingleThreadedExecutor()
        super().__init__(NAME)
        self._phases = [from_dict(Phase, values, 'phases') for values in json.loads(
            self.declare_parameter('phases', '[]').value)]
        self._num_nodes = self.declare_parameter('nodes', 1).value
        self._continuous = self.declare_parameter('continuous', False).value
        cameras = self.declare_parameter('cameras', ['']).value
        reliable = QoSProfile(depth=10)
        self._cameras = {name: self.create_publisher(
            Image, f'{name}/image' if name else 'image', reliable) for name in cameras}
        self._echo = self.create_publisher(Image, 'echo/image', reliable)
        self._met: list[str] = []
        for name in cameras:
            prefix = f'mcn/{name}/' if name else 'mcn/'
            await_heads(self, prefix, lambda heads, prefix=prefix: self._meet(prefix, heads))
        self._answers: list[dict[str, Any]] = []
        self._echoes: list[dict[str, Any]] = []
        for topic, answers in (('mcn/times', self._answers), ('echo/times', self._echoes)):
            self.create_subscription(
                String, topic, lambda msg, a=answers: self._hear(msg, a), QoSProfile(depth=DEPTH))
        self._num_heard = 0
        self._listening.add_node(self)
        self._statuses: dict[str, dict[str, str]] = {}
        if self._continuous:
            self.create_subscription(DiagnosticArray, '/diagnostics', self._take_diagnostics, 10)

    def _meet(self, prefix: str, heads: Mapping[str, HeadInfo]) -> None:
        self._met.append(prefix)
        for head in heads.values():
            # Not taken apart: a listener of this process must not slow down the images.
            self.create_subscription(
                message_class(head.topics[head.topic]), prefix + head.topic, self._hear,
                QoSProfile(depth=10), raw=True)

    def run(self) -> list[PhaseRecord]:
        """Send everything; TimeoutError if an answer does not come."""
        self._wait(self._is_connected, 'the nodes', math.inf)  # who waits for this one knows more
        self._spin(SETTLE_S)
        images = {size: pictures(size) for size in {phase.size for phase in self._phases}}
        for camera in self._cameras:
            for _ in range(WARM_UP):
                self._ask(camera, images[self._phases[0].size][0])
        if not self._continuous:
            return [self._run_phase(phase, images[phase.size]) for phase in self._phases]
        for phase in self._phases:
            record = PhaseRecord(phase, dict.fromkeys(self._cameras, 0))
            self._load(phase, images[phase.size], record)
            self._close(record)
            write_event({'record': asdict(record)})
        return []

    def destroy_node(self) -> None:
        """End it."""
        self._listening.shutdown()
        super().destroy_node()

    def _run_phase(self, phase: Phase, images: Sequence[Image]) -> PhaseRecord:
        record = PhaseRecord(phase, dict.fromkeys(self._cameras, 0))
        for _ in range(WARM_UP):
            for camera in self._cameras:
                self._ask(camera, images[0])
        self._answers.clear()
        self._echoes.clear()
        if phase.rate == 0:
            self._pace(phase, images, record)
        else:
            self._load(phase, images, record)
            self._spin(QUIET_S)
        self._close(record)
        return record

    def _close(self, record: PhaseRecord) -> None:
        """Note what has come, and what the nodes that have answered hold."""
        record.ended_s = self.get_clock().now().nanoseconds / 1e9
        record.answers, record.statuses = list(self._answers), dict(self._statuses)
        record.echo_ms = [answer['arrived_ms'] for answer in self._echoes]
        pids = sorted({answer['pid'] for answer in self._answers})
        record.memory = {pid: memory(pid) for pid in pids}
        record.threads = {pid: len(os.listdir(f'/proc/{pid}/task')) for pid in pids}
        self._answers.clear()

    def _take_diagnostics(self, msg: DiagnosticArray) -> None:
        self._num_heard += 1
        for status in msg.status:
            values = {value.key: value.value for value in status.values}
            self._statuses[status.name.partition(': ')[2]] = {
                'level': str(ord(status.level)), 'message': status.message, **values}

    def _pace(self, phase: Phase, images: Sequence[Image], record: PhaseRecord) -> None:
        """Send to the nodes and to the echo in turn, each image when all is quiet."""
        end, number = time.monotonic() + phase.seconds, 0
        while number < phase.frames or time.monotonic() < end:
            for camera in self._cameras:
                self._ask(camera, images[number % len(images)])
                record.sent[camera] += 1
            self._spin(GAP_S)
            self._exchange(self._echo, images[number % len(images)], self._echoes, 'the echo')
            self._spin(GAP_S)
            number += 1
            write_event({'phase': phase.name, 'frames': number})

    def _load(self, phase: Phase, images: Sequence[Image], record: PhaseRecord) -> None:
        """Send at a rate, whatever is answered; cameras are not in step with each other."""
        period, now = 1 / phase.rate, time.monotonic()
        end, reported = now + phase.seconds, now
        due = {camera: now + period * index / len(self._cameras)
               for index, camera in enumerate(self._cameras)}
        while min(due.values()) < end:
            camera = min(due, key=due.get)
            self._spin(due[camera] - time.monotonic())
            self._send(self._cameras[camera], images[record.sent[camera] % len(images)])
            record.sent[camera] += 1
            # As a camera does: what comes late is not made up for by a burst.
            due[camera] = max(due[camera] + period, time.monotonic())
            if time.monotonic() > reported + 1.0:
                reported = time.monotonic()
                write_event({'phase': phase.name, 'frames': sum(record.sent.values())})

    def _is_connected(self) -> bool:
        echoed = any(phase.rate == 0 for phase in self._phases)
        publishers = [*self._cameras.values(), *([self._echo] if echoed else [])]
        return (all(publisher.get_subscription_count() for publisher in publishers)
                and self.count_publishers('mcn/times') == self._num_nodes
                and len(self._met) == len(self._cameras))

    def _ask(self, camera: str, image: Image) -> None:
        """Send an image to a node and wait for its results."""
        self._exchange(self._cameras[camera], image, self._answers, camera or 'the node')

    def _exchange(self, publisher: Any, image: Image, answers: Sequence[Mapping[str, Any]],
                  what: str) -> None:
        stamp = self._send(publisher, image)
        self._wait(lambda: any(answer['stamp_ns'] == stamp for answer in answers[-3:]), what)

    def _send(self, publisher: Any, image: Image) -> int:
        now = self.get_clock().now()
        image.header.stamp = now.to_msg()
        publisher.publish(image)
        return now.nanoseconds

    def _wait(self, condition: Callable[[], bool], what: str,
              patience_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience_s
        while not condition():
            self._listening.spin_once(timeout_sec=0.1)
            if time.monotonic() > deadline:
                raise TimeoutError(f'no answer of {what} within {patience_s:.0f} s')

    def _spin(self, seconds: float) -> None:
        """Listen for some time; however late it is, to what has come already."""
        end, late = time.monotonic() + seconds, 0
        while True:
            left, heard = end - time.monotonic(), self._num_heard
            self._listening.spin_once(timeout_sec=max(left, 0.0))
            late += left <= 0
            if late and (heard == self._num_heard or late >= LATE):
                return

    def _hear(self, msg: Any, answers: list[dict[str, Any]] | None = None) -> None:
        self._num_heard += 1
        if answers is not None:
            answers.append(json.loads(msg.data))


def pictures(size: Size) -> list[Image]:
    """Return messages of drawn scenes."""
    header = Header(frame_id='camera')
    return [rgb_to_image(cv2.resize(scene(seed, SCENE_SIZE).image, size[::-1]), header)
            for seed in range(SCENES)]


def memory(pid: int) -> dict[str, int]:
    """
    Return what a process holds in memory, in bytes.

    :return: 'Rss', all that is there; 'Pss', in which what several processes share is shared out
        among them; 'RssShmem', the part of 'Rss' that is shared memory such as the middleware's.
    """
    folder = Path(f'/proc/{pid}')
    text = (folder / 'smaps_rollup').read_text() + (folder / 'status').read_text()
    lines = (line.split() for line in text.splitlines())
    return {words[0][:-1]: 1024 * int(words[1]) for words in lines
            if words[0] in ('Rss:', 'Pss:', 'RssShmem:')}


def main(args: Sequence[str] | None = None) -> int:
    """Run the prober until everything has been sent."""
    def run(prober: Prober) -> dict[str, Any]:
        return {'phases': [asdict(record) for record in prober.run()]}

    return run_node(NAME, Prober, run, args)


if __name__ == '__main__':
    sys.exit(main())
