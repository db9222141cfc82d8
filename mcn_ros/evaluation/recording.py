# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What the node said about the images of a bag, read from the recording of it, without ROS.

The time of a message in the recording is that of its receipt, and its header has the stamp of the
image: the difference is the latency. Where images were sent with new stamps, the recording tells
what stamps they have in the bag that was played.
"""

from dataclasses import dataclass, field
import json
from typing import Any, Iterator, Mapping

from mcn_ros.data.bags import Bag
from mcn_ros.data.messages import stamp_ns, time_ns
from mcn_ros.data.results import HeadInfo, heads_from_json, HEADS_TOPIC, TEXT_TYPE
from mcn_ros.tasks import build_tasks, Task

STAMPS_TYPE = 'sensor_msgs/msg/TimeReference'
REPORTS_TYPE = 'diagnostic_msgs/msg/DiagnosticArray'
NOTES = 'recording_notes'
MAX_PENDING = 64  # images whose results are waited for; of an older one they will not come

# Cause of a drop -> what the node calls it in its reports.
CAUSES = {
    'superseded': 'dropped: superseded by a newer image',
    'not decodable': 'dropped: image not decodable',
    'inference failed': 'dropped: inference failed',
}


@dataclass
class Answer:
    """
    What the node said about an image.

    :param stamp_ns: stamp of the image in the bag that was played.
    :param sent_ns: stamp with which it was sent.
    :param received_ns: when the last of the results was received, by the same clock.
    :param predictions: task name -> prediction in camera pixels; some may be missing.
    """

    stamp_ns: int
    sent_ns: int
    received_ns: int = 0
    predictions: dict[str, Any] = field(default_factory=dict)


class Recording:
    """
    The recording of a node.

    - ``tasks``: task name -> task, of the heads that ran.
    - ``sent``: stamp with which an image was sent -> its stamp in the bag that was played, in the
      order of sending; None if the recording does not tell, and images had the stamps of the bag.
    - ``notes``: what the recording is of, see :func:`mcn_ros.commands.replay.replay`; perhaps {}.
    - ``report``: the last that the node reported of itself on /diagnostics; perhaps {}.

    :param bag: the recording, open; messages are read as they are asked for.
    :raises ValueError: if no node has told in it what heads it has, or several have.
    """

    def __init__(self, bag: Bag):
        self.bag = bag
        node = _node(bag)
        self._heads = self._read_heads(node)
        self._topics = {f'{node}/{head.topic}': name for name, head in self._heads.items()}
        self.tasks: dict[str, Task] = build_tasks(
            {name: head.task for name, head in self._heads.items()})
        self.sent = self._read_stamps()
        self.notes = self._read_notes()
        self.report = self._read_report(node.strip('/'))

    @property
    def pace(self) -> float:
        """Return how many seconds of its time pass in a second: it may be that of the bag."""
        has_own_time = self.sent is not None and any(key != value for key, value in
                                                     self.sent.items())
        return 1.0 if has_own_time else self.notes.get('speed', 1.0)

    @property
    def topic(self) -> str:
        """Return the topic of the images in the bag that was played, '' if that is unknown."""
        return self.notes.get('topic', '')

    def answers(self) -> Iterator[Answer]:
        """Yield what was said about each image, when all of it has come or nothing more will."""
        pending: dict[int, Answer] = {}
        types = [head.topics[head.topic] for head in self._heads.values()]
        for message in self.bag.messages(list(self._topics), types):
            sent_ns = stamp_ns(message.content)
            if sent_ns not in pending:
                source_ns = sent_ns if self.sent is None else self.sent.get(sent_ns)
                if source_ns is None:  # of an image that somebody else has sent
                    continue
                pending[sent_ns] = Answer(source_ns, sent_ns)
            answer, head = pending[sent_ns], self._topics[message.topic]
            try:
                answer.predictions[head] = self._heads[head].read(message.content)
            except ValueError as error:
                raise ValueError(f'recording {self.bag.path}: {message.topic}: stamp {sent_ns}: '
                                 f'{error}') from error
            answer.received_ns = max(answer.received_ns, message.recorded_ns)
            if len(answer.predictions) == len(self.tasks):
                yield pending.pop(sent_ns)
            elif len(pending) > MAX_PENDING:
                yield pending.pop(next(iter(pending)))
        yield from pending.values()

    def _read_heads(self, node: str) -> dict[str, HeadInfo]:
        topic = f'{node}/{HEADS_TOPIC}'
        try:
            heads = heads_from_json(self._last(topic).data)
        except (ValueError, RecursionError) as error:
            raise ValueError(f'recording {self.bag.path}: {topic}: {error}') from error
        # A head that was described has run, even if none of its results came.
        return {name: head for name, head in heads.items()
                if {f'{node}/{end}' for end in (head.topic, *head.info)} & self.bag.topics.keys()}

    def _read_stamps(self) -> dict[int, int] | None:
        topics = self.bag.topics_of(STAMPS_TYPE)
        stamps = {stamp_ns(message.content): time_ns(message.content.time_ref)
                  for message in self.bag.messages(topics, (STAMPS_TYPE,))}
        return stamps or None

    def _read_notes(self) -> dict[str, Any]:
        topic = next((name for name in self.bag.topics if name.endswith(f'/{NOTES}')), '')
        message = self._last(topic)
        try:
            return {} if message is None else json.loads(message.data)
        except ValueError as error:
            raise ValueError(f'recording {self.bag.path}: {topic}: is not JSON ({error})'
                             ) from error

    def _read_report(self, node: str) -> Mapping[str, str]:
        report: dict[str, str] = {}
        topics = self.bag.topics_of(REPORTS_TYPE)
        for message in self.bag.messages(topics, (REPORTS_TYPE,)):
            for status in message.content.status:
                values = {item.key: item.value for item in status.values}
                # The recorder may have taken the namespace from topics, but not from names.
                name = '/' + status.name.partition(':')[0]
                if name.endswith(f'/{node}') and set(CAUSES.values()) <= set(values):
                    report = values
        return report

    def _last(self, topic: str) -> Any:
        last = None
        for message in self.bag.messages([topic]):
            last = message.content
        return last


def _node(bag: Bag) -> str:
    """Return the name of the node whose results a bag has."""
    nodes = {name.removesuffix(f'/{HEADS_TOPIC}') for name in bag.topics_of(TEXT_TYPE)
             if name.endswith(f'/{HEADS_TOPIC}')}
    if len(nodes) != 1:
        raise ValueError(f'recording {bag.path}: expected one node that tells of its heads, on '
                         f'~/{HEADS_TOPIC}, got '
                         f'{", ".join(sorted(nodes)) or "none"} '
                         f'(topics: {", ".join(sorted(bag.topics)) or "none"})')
    return nodes.pop()
