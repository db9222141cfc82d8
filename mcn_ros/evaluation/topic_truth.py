# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Ground truth that lies in a bag beside its images: topics of objects, people or class images.

They are named by the user, never guessed: the results of a detector that was recorded on the robot
look just the same. A message belongs to the image whose stamp it has.
"""

from dataclasses import replace
from typing import Any, Iterable, Iterator, Mapping, Sequence

import numpy as np

from mcn_ros.data.bags import Bag
from mcn_ros.data.coco_file import PERSON
from mcn_ros.data.messages import (
    boxes_from_msg, class_map_from_msg, poses_from_msg, stamp_ns)
from mcn_ros.structures import ClassMap, IGNORE, Instances, Poses

INFO_TYPE = 'vision_msgs/msg/LabelInfo'
ENCODINGS = ('mono8', '8UC1')

# Type of a topic -> task that it is the truth for.
TASK_OF_TYPE = {
    'vision_msgs/msg/Detection2DArray': 'detection',
    'mcn_ros_msgs/msg/HumanPose2DArray': 'pose',
    'sensor_msgs/msg/Image': 'segmentation',
}


class TopicTruth:
    """
    Annotations from topics, with the attributes of :class:`mcn_ros.evaluation.bag.StampedTruth`.

    Names of classes come from a LabelInfo on ``<topic>/label_info`` or ``label_info`` beside the
    topic, or for class images and objects of this package's node where it publishes them; objects
    may also carry names themselves. A class that is not among the names is not labelled.

    :param bag: the bag, open.
    :param topics: at most one per task.
    :param tasks: task name -> task.
    :raises ValueError: if a topic is missing or of another type, and for classes without a name.
    """

    def __init__(self, bag: Bag, topics: Sequence[str], tasks: Mapping[str, Any]):
        self.name = f'bag {bag.path}'
        self.topics: list[str] = []  # of the images: any
        self.sizes: dict[int, tuple[int, int]] = {}
        self.annotations: dict[int, dict[str, Any]] = {}
        self.content: dict[str, dict[str, Any]] = {}
        self._bag, self._ids = bag, {}
        for topic in topics:
            task = self._task(topic)
            if task in self.content:
                raise ValueError(f'{self.name}: {topic} is the second topic for {task}')
            if task in tasks:
                self._read(topic, task, tasks[task])
        if not self.annotations:
            raise ValueError(f'{self.name}: {", ".join(topics)} have nothing for the heads '
                             f'{", ".join(tasks)}')
        for content in self.content.values():
            content['images'] = [{'id': image_id} for image_id in self.annotations]

    def ids(self, topic: str) -> dict[int, int]:
        """Return stamp -> id of the annotated images."""
        return dict(self._ids)

    def _task(self, topic: str) -> str:
        types = self._bag.topics.get(topic, ())
        tasks = [TASK_OF_TYPE[kind] for kind in types if kind in TASK_OF_TYPE]
        if len(tasks) > 1:
            raise ValueError(f'{self.name}: topic {topic!r} has messages of several types that '
                             f'can be ground truth: {", ".join(types)}')
        if not tasks:
            known = self._bag.topics_of(*TASK_OF_TYPE)
            raise ValueError(f'{self.name}: topic {topic!r} is {", ".join(types) or "not there"} '
                             f'(topics that can be ground truth: {", ".join(known) or "none"})')
        return tasks[0]

    def _read(self, topic: str, name: str, task: Any) -> None:
        messages: dict[int, Any] = {}
        for message in self._bag.messages([topic], tuple(TASK_OF_TYPE)):
            messages.setdefault(stamp_ns(message.content), message.content)
        if name == 'pose':
            labels = {'': PERSON}
        else:
            labels = self._labels(topic) or _own_names(name, messages.values())
        entries: list[dict[str, Any]] = []
        for stamp, message in messages.items():
            image_id = self._ids.setdefault(stamp, len(self._ids) + 1)
            try:
                annotation = READERS[name](message, task, labels)
            except ValueError as error:
                raise ValueError(f'{self.name}: {topic}: {error} (stamp {stamp})') from error
            self.annotations.setdefault(image_id, {})[name] = annotation
            if isinstance(annotation, ClassMap):
                self.sizes[image_id] = annotation.labels.shape
            else:
                entries += ({'image_id': image_id, **entry} for entry in _entries(annotation))
        self.content[name] = {
            'annotations': [{**entry, 'id': i + 1} for i, entry in enumerate(entries)],
            'categories': _categories(name, task)}

    def _labels(self, topic: str) -> dict[str, str]:
        """Return class id as text -> name, {} if nothing describes the topic."""
        parent, _, end = topic.rpartition('/')
        beside = f'{parent}/detection/label_info' if end == 'detections' else ''
        for info in (f'{topic}/label_info', f'{parent}/label_info', beside):
            for message in self._bag.messages([info], (INFO_TYPE,)):
                return {str(item.class_id): item.class_name
                        for item in message.content.class_map}
        return {}


def _own_names(task: str, messages: Iterable[Any]) -> dict[str, str]:
    """Return the names that objects themselves carry, as both id and name."""
    names = set()
    if task == 'detection':
        names = {_class_id(found) for message in messages for found in message.detections}
    return {name: name for name in sorted(names) if not name.isdecimal()}


def _class_id(detection: Any) -> str:
    return detection.results[0].hypothesis.class_id if detection.results else ''


def _labelled(task: Any, labels: Mapping[str, str]) -> np.ndarray | None:
    """Return (C,) bool, which classes of the task have a name; None for all."""
    labelled = np.array([name in labels.values() for name in task.classes])
    if not labelled.any():
        raise ValueError(f'names none of the classes {", ".join(task.classes)} '
                         f'(its names, of a LabelInfo beside it: {", ".join(labels.values())})')
    return None if labelled.all() else labelled


def _instances(message: Any, task: Any, labels: Mapping[str, str]) -> Instances:
    names = [labels.get(class_id, class_id) for class_id in map(_class_id, message.detections)]
    unknown = sorted(set(names) - set(labels.values()))
    if unknown:
        raise ValueError(f'class {unknown[0]!r} has no name in a LabelInfo beside it')
    keep = [row for row, name in enumerate(names) if name in task.classes]
    classes = [task.classes.index(names[row]) for row in keep]
    return Instances(
        boxes=boxes_from_msg(message.detections)[keep], classes=np.array(classes, np.int64),
        scores=np.ones(len(keep), np.float32), labelled_classes=_labelled(task, labels))


def _poses(message: Any, task: Any, labels: Mapping[str, str]) -> Poses:
    people = poses_from_msg(message, task.joints)
    known = ~np.isnan(people.keypoints).any(axis=2)
    return replace(people, scores=np.ones(len(people), np.float32),
                   keypoint_scores=known.astype(np.float32))


def _class_map(message: Any, task: Any, labels: Mapping[str, str]) -> ClassMap:
    if message.encoding not in ENCODINGS:
        raise ValueError(f'is an image of encoding {message.encoding!r}, not of class ids '
                         f'({", ".join(ENCODINGS)})')
    # A class that the task does not have is none of those that are looked for: background.
    meaning = np.zeros(256, np.uint8)
    meaning[IGNORE] = IGNORE
    for class_id, name in labels.items():
        if name in task.classes:
            meaning[int(class_id)] = task.classes.index(name) + 1
    return ClassMap(meaning[class_map_from_msg(message).labels], _labelled(task, labels))


READERS = {'detection': _instances, 'pose': _poses, 'segmentation': _class_map}


def _categories(name: str, task: Any) -> list[dict[str, Any]]:
    if name == 'pose':
        return [{'id': 1, 'name': PERSON, 'keypoints': list(task.joints.keypoint_names)}]
    return [{'id': index + 1, 'name': name} for index, name in enumerate(task.classes)]


def _entries(annotation: Instances | Poses) -> Iterator[dict[str, Any]]:
    """Yield the objects as a COCO file has them; of their areas only the boxes are known."""
    for row, (left, top, right, bottom) in enumerate(annotation.boxes.tolist()):
        entry = {'category_id': 1, 'bbox': [left, top, right - left, bottom - top]}
        if isinstance(annotation, Instances):
            entry['category_id'] = int(annotation.classes[row]) + 1
        else:
            known = annotation.keypoint_scores[row] > 0
            joints = np.where(known[:, None], annotation.keypoints[row], 0)
            entry['keypoints'] = np.column_stack([joints, 2 * known]).ravel().tolist()
        yield entry
