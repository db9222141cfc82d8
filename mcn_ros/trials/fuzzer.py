# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The camera of the fuzz test: sends hostile messages to a node, and a good image after each.

It waits for what becomes of every message. On standard output it tells, one JSON object per line,
how far it is, and at last {"summary": ...}.
"""

from collections import Counter
import json
from pathlib import Path
import sys
import time
from typing import Any, Callable, Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String

from mcn_ros.data.frames import Frame
from mcn_ros.data.image_formats import RawImage
from mcn_ros.data.results import HeadInfo
from mcn_ros.data.synthetic import scene
from mcn_ros.ros.executable import run_node, write_event
from mcn_ros.ros.node.conversions import message_class
from mcn_ros.ros.tools.camera_player import to_compressed, to_image
from mcn_ros.ros.tools.heads import await_heads, SETTLE_S
from mcn_ros.structures import Structure
from mcn_ros.trials.fuzzed_node import SHOWN
from mcn_ros.trials.hostile import Fate, hostile
from mcn_ros.trials.prober import memory

NAME = 'fuzzer'
SIZE = 240, 320  # of the good image
DEPTH = 100
PATIENCE_S = 60.0  # for an answer; after it, the node hangs
WARM_UP = 5  # good images before everything: the last one's answer is the right one
EVERY = 20  # messages between looks at the memory of the node
SETTLED = 200  # messages after which the memory of the node is to grow no more
MOST_TOLD = 20  # messages that went wrong, in the summary
TOLERANCE = 0.01  # pixels, and scores: another image in the same batch may change the last digits


class Fuzzer(Node):
    """Sends, and checks what comes back."""

    def __init__(self, **kwargs: Any):
        super().__init__(NAME, **kwargs)
        self._transport = self.declare_parameter('transport', 'raw').value
        self._count = self.declare_parameter('count', 100).value
        self._seed = self.declare_parameter('seed', 0).value
        raw = self._transport == 'raw'
        self._images = self.create_publisher(
            Image if raw else CompressedImage, 'image' if raw else 'image/compressed',
            QoSProfile(depth=10))
        picture = scene(0, SIZE).image
        frame = Frame('good', 0, RawImage('rgb8', *SIZE, 3 * SIZE[1], picture.reshape(-1)))
        self._good = (to_image if raw else to_compressed)(frame, Header())
        self._pid = 0
        self._heads: Mapping[str, HeadInfo] = {}
        self._answers: dict[str, Structure] = {}  # to the image that was sent last
        self._drops: list[dict[str, Any]] = []
        self._right: dict[str, Structure] = {}
        self._awaited: Header | None = None
        self._wrong: list[str] = []
        self._num_wrong = 0
        await_heads(self, 'mcn/', self._meet)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._take_diagnostics, 10)
        self.create_subscription(
            String, 'mcn/drops', lambda msg: self._drops.append(json.loads(msg.data)),
            QoSProfile(depth=DEPTH))

    def run(self) -> dict[str, Any]:
        """
        Send everything.

        :return: what became of the messages, by kind; what went wrong; the memory of the node in
            bytes: after the first messages, at the end, and the most that it was.
        :raises TimeoutError: if a message has no consequence.
        """
        self._wait(self._is_ready, 'the node', 10 * PATIENCE_S)
        self._spin(SETTLE_S)
        for index in range(WARM_UP):
            self._right = self._ask_good(f'warm_up_{index}')
        fates: dict[str, Counter] = {}
        rss: list[int] = []
        for index in range(self._count):
            kind, fate = self._provoke(index)
            self._compare(self._ask_good(f'good_{index}'), f'after {kind!r} ({index})')
            fates.setdefault(kind, Counter())[fate().value] += 1
            if index % EVERY == 0 or index == self._count - 1:
                rss.append(memory(self._pid)['Rss'])
            write_event({'sent': index + 1})
        settled = rss[min(SETTLED // EVERY, len(rss) // 4):]
        return {'messages': self._count, 'fates': {k: dict(v) for k, v in sorted(fates.items())},
                'num_wrong': self._num_wrong, 'wrong': self._wrong,
                'memory': {'settled': settled[0], 'end': settled[-1], 'highest': max(settled),
                           'peak': peak_memory(self._pid)}}

    def _provoke(self, index: int) -> tuple[str, Callable[[], Fate]]:
        """
        Send a message.

        :return: its kind, and what tells, after the next good image, what became of it.
        """
        sent = hostile(self._transport, self._seed, index)
        if isinstance(sent.message, bytes):
            self._images.publish(sent.message)
            return sent.kind, lambda: Fate.UNSEEN
        self._expect(sent.message.header)
        self._images.publish(sent.message)
        name = sent.message.header.frame_id[:SHOWN]

        def dropped() -> list[dict[str, Any]]:
            return [drop for drop in self._drops if drop['frame_id'] == name]

        self._wait(lambda: self._is_answered() or dropped(), f'{sent.kind!r} ({index})')
        fate = Fate.REFUSED if dropped() else Fate.ANSWERED
        if sent.fate not in (fate, Fate.EITHER):
            self._complain(f'{sent.kind!r} ({index}) was {fate.value}')
        elif fate == Fate.REFUSED and dropped()[0]['cause'] != 'undecodable':
            self._complain(f'{sent.kind!r} ({index}): {dropped()[0]["error"]}')
        return sent.kind, lambda: fate

    def _ask_good(self, frame_id: str) -> dict[str, Structure]:
        """Send the good image, and all that belongs to it; return its results, by head."""
        header = self._new_header(frame_id)
        self._send_beside(header)
        return self._send_good(header)

    def _new_header(self, frame_id: str) -> Header:
        return Header(stamp=self.get_clock().now().to_msg(), frame_id=frame_id)

    def _send_beside(self, header: Header) -> None:
        """Do nothing: nothing belongs to an image."""

    def _send_good(self, header: Header) -> dict[str, Structure]:
        self._good.header = header
        self._expect(header)
        self._images.publish(self._good)
        self._wait(self._is_answered, f'the answer to {header.frame_id}')
        return dict(self._answers)

    def _compare(self, answers: Mapping[str, Structure], when: str) -> None:
        """Complain of answers to the good image that are others than at first."""
        for head, values in self._right.items():
            if not same(answers[head], values):
                self._complain(f'{head} of the good image {when}')

    def _expect(self, header: Header) -> None:
        self._awaited = header
        self._answers.clear()
        self._drops.clear()

    def _take_answer(self, head: str, msg: Any) -> None:
        if self._awaited is not None and msg.header == self._awaited:
            self._answers[head] = self._heads[head].read(msg)

    def _is_answered(self) -> bool:
        return len(self._answers) == len(self._heads)

    def _take_diagnostics(self, msg: DiagnosticArray) -> None:
        values = {value.key: value.value for value in msg.status[0].values}
        self._pid = int(values['process id'])

    def _meet(self, heads: Mapping[str, HeadInfo]) -> None:
        self._heads = heads
        for name, head in heads.items():
            self.create_subscription(
                message_class(head.topics[head.topic]), f'mcn/{head.topic}',
                lambda msg, name=name: self._take_answer(name, msg), QoSProfile(depth=DEPTH))

    def _is_ready(self) -> bool:
        return bool(self._heads and self._pid and self._images.get_subscription_count() and all(
            self.count_publishers(f'mcn/{head.topic}') for head in self._heads.values()))

    def _complain(self, what: str) -> None:
        self._num_wrong += 1
        if len(self._wrong) < MOST_TOLD:
            self._wrong.append(what)

    def _wait(self, condition: Callable[[], Any], what: str,
              patience_s: float = PATIENCE_S) -> None:
        if not self._comes(condition, patience_s):
            raise TimeoutError(f'nothing came of {what} within {patience_s:.0f} s')

    def _comes(self, condition: Callable[[], Any], patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        while not condition():
            rclpy.spin_once(self, timeout_sec=0.1)
            if time.monotonic() > deadline:
                return False
        return True

    def _spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            rclpy.spin_once(self, timeout_sec=0.1)


def same(one: Structure, other: Structure) -> bool:
    """Return whether two results say the same, but for ids: those depend on the images before."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in one.ROWS if name != 'ids']
    return all(left is right is None or left.shape == right.shape and np.allclose(
        left, right, rtol=0, atol=TOLERANCE, equal_nan=True) for left, right in pairs)


def peak_memory(pid: int) -> int:
    """Return the most that a process has ever held in memory, in bytes."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith('VmHWM:'))


def main(args: Sequence[str] | None = None) -> int:
    """Run the fuzzer until everything has been sent."""
    return run_node(NAME, Fuzzer, Fuzzer.run, args)


if __name__ == '__main__':
    sys.exit(main())
