# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
How the node publishes predictions of each type: topics, types of messages and the way back.

This is without ROS: :mod:`mcn_ros.ros` makes the messages. Readers of results need no names of
tasks: the node publishes its heads and their topics, as JSON, on :data:`HEADS_TOPIC`.
"""

from dataclasses import dataclass
import json
from typing import Any, Callable, Mapping

from mcn_ros.config import from_dict, to_dict
from mcn_ros.data.messages import (
    class_map_from_msg, class_planes_from_msg, detections_from_msg, likeliest_planes,
    line_map_from_msg, poses_from_msg, scalar_map_from_msg, vector_map_from_msg)
from mcn_ros.structures import (
    ClassMap, ClassPlanes, Instances, LineMap, Poses, ScalarMap, Structure, VectorMap)
from mcn_ros.vocabulary import Skeleton, SKELETONS

HEADS_TOPIC = 'heads'  # the topic of what :func:`describe` returns, as JSON; latched
OVERLAY_TOPIC = 'overlay'
SCORE_THRESHOLD = 0.3  # of the node by default, and of all pictures and counts
TEXT_TYPE = 'std_msgs/msg/String'
IMAGE_TYPE, COMPRESSED_TYPE = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
LABELS = 'label_info', 'vision_msgs/msg/LabelInfo'
SKELETON = 'skeleton_info', 'mcn_ros_msgs/msg/SkeletonInfo'


@dataclass(frozen=True)
class HeadInfo:
    """
    What a node tells of a head.

    :param prediction: name of the structure of its predictions.
    :param topics: topic, below the name of the node, -> type of its messages; the first has the
        predictions, the others are pictures of them.
    :param info: the topic of the latched description likewise, {} for none.
    :param classes: names of its classes.
    :param skeleton: name of the skeleton that it finds, '' for none.
    :param task: its task, as :func:`mcn_ros.tasks.build_tasks` takes it.
    """

    prediction: str
    topics: dict[str, str]
    info: dict[str, str]
    classes: tuple[str, ...]
    skeleton: str
    task: dict[str, Any]

    @property
    def topic(self) -> str:
        """Return the topic of the predictions."""
        return next(iter(self.topics))

    @property
    def result(self) -> 'Result':
        """Return how its predictions are published; ValueError for an unknown structure."""
        for kind, result in RESULTS.items():
            if kind.__name__ == self.prediction:
                return result
        raise ValueError(f'there are no messages for predictions of type {self.prediction} '
                         f'(known: {", ".join(kind.__name__ for kind in RESULTS)})')

    @property
    def joints(self) -> Skeleton:
        """Return its skeleton; ValueError for an unknown one."""
        if self.skeleton not in SKELETONS:
            raise ValueError(f'unknown skeleton {self.skeleton!r} '
                             f'(known: {", ".join(SKELETONS)})')
        return SKELETONS[self.skeleton]

    def read(self, message: Any) -> Structure:
        """Decode a message of :attr:`topic`; ValueError for one that does not fit the head."""
        return self.result.read(message, self)


@dataclass(frozen=True)
class Heads:
    """What a node tells: head -> what there is to know."""

    heads: dict[str, HeadInfo]


@dataclass(frozen=True)
class Result:
    """
    How predictions of a type are published.

    :param topics: end of the topic -> type of the messages, as in :class:`HeadInfo`; an end of
        '' is the topic of the head itself.
    :param info: end of the topic of the description, and its type; None for none.
    :param read: (message of the first topic, head) -> structure.
    :param plural: what the demo calls the things that it counts: objects, or messages of maps.
    :param rounding: how far a number in a message may be from the one that was predicted.
    :param content: prediction -> what its message has of it, before any rounding.
    """

    topics: Mapping[str, str]
    info: tuple[str, str] | None
    read: Callable[[Any, HeadInfo], Structure]
    plural: str
    rounding: float = 0.0
    content: Callable[[Structure], Structure] = lambda prediction: prediction


RESULTS: dict[type, Result] = {
    Instances: Result(
        {'': 'vision_msgs/msg/Detection2DArray'}, LABELS,
        lambda message, head: detections_from_msg(message, head.classes), 'detections'),
    Poses: Result(
        {'': 'mcn_ros_msgs/msg/HumanPose2DArray'}, SKELETON,
        lambda message, head: poses_from_msg(message, head.joints), 'poses'),
    ClassMap: Result(
        {'image': IMAGE_TYPE, 'color': IMAGE_TYPE}, LABELS,
        lambda message, head: class_map_from_msg(message), 'semantic_images'),
    ScalarMap: Result(
        {'image': IMAGE_TYPE}, None,
        lambda message, head: scalar_map_from_msg(message), 'scalar_maps',
        rounding=0.5 / 255),
    LineMap: Result(
        {'image': IMAGE_TYPE, 'thin': IMAGE_TYPE}, None,
        lambda message, head: line_map_from_msg(message), 'line_maps',
        rounding=0.5 / 255),
    VectorMap: Result(
        {'image': IMAGE_TYPE, 'color': IMAGE_TYPE}, None,
        lambda message, head: vector_map_from_msg(message), 'vector_maps'),
    ClassPlanes: Result(
        {'image': IMAGE_TYPE, 'color': IMAGE_TYPE}, LABELS,
        lambda message, head: class_planes_from_msg(message, len(head.classes)), 'class_planes',
        content=lambda planes: likeliest_planes(
            planes.class_map(SCORE_THRESHOLD).labels, len(planes.planes))),
}


def describe(tasks: Mapping[str, Any],
             configs: Mapping[str, Mapping[str, Any]]) -> dict[str, HeadInfo]:
    """
    Return where the results of tasks are published.

    :param configs: the tasks as dicts, see :func:`mcn_ros.tasks.describe_tasks`.
    :raises ValueError: for predictions that there are no messages for, and where two heads would
        have the same topic.
    """
    heads, owners = {}, dict.fromkeys((HEADS_TOPIC, OVERLAY_TOPIC), 'the node')
    for name, task in tasks.items():
        head = HeadInfo(task.prediction.__name__, {}, {}, task.classes,
                        task.joints.name if task.joints else '', dict(configs[name]))
        result = head.result
        end, kind = result.info or ('', '')
        topic, info = task.topics.get(name, (name, f'{name}/{end}'))
        head.topics.update({f'{topic}/{part}' if part else topic: msgtype
                            for part, msgtype in result.topics.items()})
        head.info.update({info: kind} if end else {})
        for own in (*head.topics, *head.info):
            if own in owners:
                raise ValueError(f'head {name}: its topic {own} is one of {owners[own]}')
            owners[own] = name
        heads[name] = head
    return heads


def heads_to_json(heads: Mapping[str, HeadInfo]) -> str:
    """Return what a node says of its heads."""
    return json.dumps(to_dict(heads))


def heads_from_json(text: str) -> dict[str, HeadInfo]:
    """Return the heads of :func:`heads_to_json`; ValueError for any other text."""
    return from_dict(Heads, {'heads': json.loads(text)}).heads
