# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Ground truth that lies in a bag beside its images: topics of objects, people or maps.

They are named by the user, never guessed: the results of a detector that was recorded on the robot
look just the same. A message belongs to the image whose stamp it has. Maps are images whose pixels
mean what they mean in files, see :mod:`mcn_ros.data.maps`; vectors are numbers, NaN where unknown.

Boundaries are those of regions: numbers of 16 bits have no classes, so for boundaries of classes
it takes ids of 8 bits, of which each is one region; where two things of a class touch, they then
have no boundary, as they have in a file. Lines themselves, and what several annotators say, are
for files only.
"""

from dataclasses import replace
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Sequence

import numpy as np

from mcn_ros.data.bags import Bag
from mcn_ros.data.messages import (
    boxes_from_msg, class_map_from_msg, likeliest_planes, pixels_from_msg, poses_from_msg,
    stamp_ns, vector_map_from_msg)
from mcn_ros.data.results import IMAGE_TYPE
from mcn_ros.structures import (
    ClassMap, ClassPlanes, IGNORE, Instances, Poses, RegionMap, ScalarMap, Structure,
    UNKNOWN_REGION, VectorMap)
from mcn_ros.tasks import Task

INFO_TYPE = 'vision_msgs/msg/LabelInfo'
LABELS_8, LABELS_16, VECTORS = ('mono8', '8UC1'), ('mono16', '16UC1'), ('32FC3',)


class TopicTruth:
    """
    Annotations from topics, with the attributes of a StampedTruth.

    Names of classes come from a LabelInfo on ``<topic>/label_info`` or ``label_info`` beside the
    topic, or for class images and objects of this package's node where it publishes them; objects
    may also carry names themselves. A class that is not among the names is not labelled.

    :param bag: the bag, open.
    :param topics: at most one per task: 'topic', or 'task=topic' where several tasks have
        annotations of its type.
    :param tasks: task name -> task.
    :raises ValueError: if a topic is missing or of another type, for one that may be of several
        tasks or is not of the task it is said to be, and for classes without a name.
    """

    def __init__(self, bag: Bag, topics: Sequence[str], tasks: Mapping[str, Task]):
        self.name = f'bag {bag.path}'
        self.topics: list[str] = []  # of the images: any
        self.sizes: dict[int, tuple[int, int]] = {}
        self.annotations: dict[int, dict[str, Structure]] = {}
        self._bag, self._ids = bag, {}
        known: set[str] = set()
        for entry in topics:
            topic = topic_of(entry)
            task = self._task(entry, self._msgtype(topic), tasks)
            if task in known:
                raise ValueError(f'{self.name}: {topic} is the second topic for {task}')
            if task is not None:
                known.add(task)
                self._read(topic, task, tasks[task])
        if not self.annotations:
            raise ValueError(f'{self.name}: {", ".join(topics)} have nothing for the heads '
                             f'{", ".join(tasks)}')

    def ids(self, topic: str) -> dict[int, int]:
        """Return stamp -> id of the annotated images."""
        return dict(self._ids)

    def _msgtype(self, topic: str) -> str:
        types = self._bag.topics.get(topic, ())
        readable = {truth.msgtype for truth in TRUTHS.values()}
        candidates = readable.intersection(types)
        if len(candidates) > 1:
            raise ValueError(f'{self.name}: topic {topic!r} has messages of several types that '
                             f'can be ground truth: {", ".join(types)}')
        if not candidates:
            known = self._bag.topics_of(*readable)
            raise ValueError(f'{self.name}: topic {topic!r} is {", ".join(types) or "not there"} '
                             f'(topics that can be ground truth: {", ".join(known) or "none"})')
        return candidates.pop()

    def _task(self, entry: str, msgtype: str, tasks: Mapping[str, Task]) -> str | None:
        """Return the task that a topic is the truth of, None for none that is there."""
        fitting = [name for name, task in tasks.items() if task.annotation in TRUTHS
                   and TRUTHS[task.annotation].msgtype == msgtype]
        name, named, topic = entry.rpartition('=')
        if named and name not in fitting:
            raise ValueError(f'{self.name}: {topic} cannot be the truth of {name!r} (tasks with '
                             f'such annotations: {", ".join(fitting) or "none"})')
        if not named and len(fitting) > 1:
            raise ValueError(f'{self.name}: {topic} may be the truth of {", ".join(fitting)}: '
                             f'say which, as in {fitting[0]}={topic}')
        return name if named else next(iter(fitting), None)

    def _read(self, topic: str, name: str, task: Task) -> None:
        truth, messages = TRUTHS[task.annotation], {}
        for message in self._bag.messages([topic], (truth.msgtype,)):
            messages.setdefault(stamp_ns(message.content), message.content)
        labels = self._labels(topic) or truth.names(messages.values())
        for stamp, message in messages.items():
            image_id = self._ids.setdefault(stamp, len(self._ids) + 1)
            try:
                annotation = truth.read(message, task, labels)
            except ValueError as error:
                raise ValueError(f'{self.name}: {topic}: {error} (stamp {stamp})') from error
            self.annotations.setdefault(image_id, {})[name] = annotation
            if annotation.size is not None:
                self.sizes[image_id] = annotation.size

    def _labels(self, topic: str) -> dict[str, str]:
        """Return class id as text -> name, {} if nothing describes the topic."""
        parent, _, end = topic.rpartition('/')
        beside = f'{parent}/detection/label_info' if end == 'detections' else ''
        for info in (f'{topic}/label_info', f'{parent}/label_info', beside):
            for message in self._bag.messages([info], (INFO_TYPE,)):
                return {str(item.class_id): item.class_name
                        for item in message.content.class_map}
        return {}


def topic_of(entry: str) -> str:
    """Return the topic of 'topic' or 'task=topic'."""
    return entry.rpartition('=')[2]


def _own_names(messages: Iterable[Any]) -> dict[str, str]:
    """Return the names that objects themselves carry, as both id and name."""
    names = {_class_id(detection) for message in messages for detection in message.detections}
    return {name: name for name in sorted(names) if not name.isdecimal()}


def _class_id(detection: Any) -> str:
    return detection.results[0].hypothesis.class_id if detection.results else ''


def _labelled(task: Task, labels: Mapping[str, str]) -> np.ndarray | None:
    """Return (C,) bool, which classes of the task have a name; None for all."""
    labelled = np.array([name in labels.values() for name in task.classes])
    if not labelled.any():
        raise ValueError(f'names none of the classes {", ".join(task.classes)} '
                         f'(its names, of a LabelInfo beside it: {", ".join(labels.values())})')
    return None if labelled.all() else labelled


def _instances(message: Any, task: Task, labels: Mapping[str, str]) -> Instances:
    names = [labels.get(class_id, class_id) for class_id in map(_class_id, message.detections)]
    unknown = sorted(set(names) - set(labels.values()))
    if unknown:
        raise ValueError(f'class {unknown[0]!r} has no name in a LabelInfo beside it')
    keep = [row for row, name in enumerate(names) if name in task.classes]
    classes = [task.classes.index(names[row]) for row in keep]
    return Instances(
        boxes=boxes_from_msg(message.detections)[keep], classes=np.array(classes, np.int64),
        scores=np.ones(len(keep), np.float32), labelled_classes=_labelled(task, labels))


def _poses(message: Any, task: Task, labels: Mapping[str, str]) -> Poses:
    people = poses_from_msg(message, task.joints)
    known = ~np.isnan(people.keypoints).any(axis=2)
    return replace(people, scores=np.ones(len(people), np.float32),
                   keypoint_scores=known.astype(np.float32))


def _class_map(message: Any, task: Task, labels: Mapping[str, str]) -> ClassMap:
    _check_encoding(message, LABELS_8, 'class ids')
    # A class that the task does not have is none of those that are looked for: background.
    meaning = np.zeros(256, np.uint8)
    meaning[IGNORE] = IGNORE
    for class_id, name in labels.items():
        if name in task.classes:
            meaning[int(class_id)] = task.classes.index(name) + 1
    return ClassMap(meaning[class_map_from_msg(message).labels], _labelled(task, labels))


def _class_planes(message: Any, task: Task, labels: Mapping[str, str]) -> ClassPlanes:
    areas = _class_map(message, task, labels)
    planes = likeliest_planes(areas.labels, len(task.classes)).planes.astype(np.uint8)
    planes[:, areas.labels == IGNORE] = IGNORE
    if areas.labelled_classes is not None:
        planes[~areas.labelled_classes] = IGNORE
    return ClassPlanes(planes, areas.labelled_classes)


def _scalar_map(message: Any, task: Task, labels: Mapping[str, str]) -> ScalarMap:
    _check_encoding(message, LABELS_8, '0 (no), 1 (yes) and 255 (unknown)')
    values = pixels_from_msg(message, np.uint8)
    if ((values > 1) & (values < IGNORE)).any():
        raise ValueError('has other values than 0 (no), 1 (yes) and 255 (unknown)')
    return ScalarMap(values)


def _vector_map(message: Any, task: Task, labels: Mapping[str, str]) -> VectorMap:
    _check_encoding(message, VECTORS, 'vectors')
    return vector_map_from_msg(message)


def _region_map(message: Any, task: Task, labels: Mapping[str, str]) -> RegionMap:
    if task.classes or message.encoding in LABELS_8:
        return _regions_of_classes(message, task, labels)
    _check_encoding(message, (*LABELS_16, *LABELS_8), 'regions')
    regions = pixels_from_msg(message, np.uint16)
    return RegionMap(regions, np.full(regions[regions < UNKNOWN_REGION].max(initial=0), -1))


def _regions_of_classes(message: Any, task: Task, labels: Mapping[str, str]) -> RegionMap:
    _check_encoding(message, LABELS_8, 'class ids')
    ids = pixels_from_msg(message, np.uint8)
    # Also the id 0 may have a class, so it is a region, too.
    regions = np.where(ids == IGNORE, np.uint16(UNKNOWN_REGION), ids + np.uint16(1))
    classes = np.full(IGNORE, -1)
    for class_id, name in labels.items():
        if name in task.classes:
            classes[int(class_id)] = task.classes.index(name)
    return RegionMap(regions, classes, _labelled(task, labels) if task.classes else None)


def _check_encoding(message: Any, encodings: Sequence[str], content: str) -> None:
    if message.encoding not in encodings:
        raise ValueError(f'is an image of encoding {message.encoding!r}, not of {content} '
                         f'({", ".join(encodings)})')


class Truth(NamedTuple):
    """
    How messages are read as annotations.

    :param msgtype: their type.
    :param read: (message, task, class id as text -> name) -> annotation.
    :param names: messages -> the names that they carry themselves, by class id.
    """

    msgtype: str
    read: Callable[[Any, Task, Mapping[str, str]], Structure]
    names: Callable[[Iterable[Any]], dict[str, str]] = lambda _: {}


# Type of the annotations of a task -> which messages can be such.
TRUTHS: dict[type, Truth] = {
    Instances: Truth('vision_msgs/msg/Detection2DArray', _instances, _own_names),
    Poses: Truth('mcn_ros_msgs/msg/HumanPose2DArray', _poses),
    ClassMap: Truth(IMAGE_TYPE, _class_map),
    RegionMap: Truth(IMAGE_TYPE, _region_map),
    ScalarMap: Truth(IMAGE_TYPE, _scalar_map),
    VectorMap: Truth(IMAGE_TYPE, _vector_map),
    ClassPlanes: Truth(IMAGE_TYPE, _class_planes),
}
