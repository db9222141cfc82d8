# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What teachers say of an image, as an annotation file has it.

What a teacher is sure of becomes an object. What it is less sure of becomes a crowd: neither an
object nor background. The rest becomes background. What people have labelled stays as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import cv2
import numpy as np

from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.coco_file import CocoFile, Record
from mcn_ros.data.labels import MAPPED, MASKED
from mcn_ros.data.pseudo_masks import gated_labels, MaskRule
from mcn_ros.geometry import Size
from mcn_ros.structures import ClassMap, clip_boxes, IGNORE, Instances, Poses, Sample
from mcn_ros.tasks import Task, TASKS
from mcn_ros.vocabulary import COCO_SKELETON, PERSON, Skeleton

# What ``labelled`` calls objects with boxes, people with joints, and maps of classes.
BOXES, JOINTS, CLASS_MAPS = (
    tuple(kind for kind, task in TASKS.items() if task.annotation is annotation)
    for annotation in (Instances, Poses, ClassMap))

# Types whose labels are those of objects, by class.
OBJECTS = (Instances, Poses, *MASKED)

# Smaller boxes, in pixels of a side, are what clipping left of an object.
MIN_SIDE = 1.0
VISIBLE = 2
MAPS = 'maps'


@dataclass(frozen=True)
class Teachers:
    """
    Who labels what; what there is no teacher for stays as it is.

    :param objects: image (H, W, 3) uint8 RGB -> objects in camera pixels.
    :param classes: names of the classes of these objects.
    :param people: image, boxes (N, 4) and scores (N,) of people -> their joints.
    :param skeleton: what these joints are.
    :param pixels: image, classes (K,) int64 -> (K + 1, H, W) logits of background and classes.
    :param maps: name and task of the maps that are made of them.
    """

    objects: Callable[[np.ndarray], Instances] | None = None
    classes: Sequence[str] = ()
    people: Callable[[np.ndarray, np.ndarray, np.ndarray], Poses] | None = None
    skeleton: Skeleton = COCO_SKELETON
    pixels: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    maps: tuple[str, Task] | None = None


@dataclass(frozen=True)
class Thresholds:
    """
    How sure a teacher has to be.

    :param keep: boxes of at least this score become objects.
    :param unsure: other boxes of at least this score become crowds.
    :param joints: joints of a lower score are not labelled.
    :param pixels: when a pixel gets a label.
    """

    keep: float
    unsure: float
    joints: float = 0.4
    pixels: MaskRule = MaskRule()


class Labeller:
    """
    Labels one image after the other.

    :param file: the annotation file as it was, with masks.
    :param dataset: its images.
    :param ids: category ids of all classes of the new file.
    """

    def __init__(self, file: CocoFile, dataset: CocoDataset, teachers: Teachers,
                 thresholds: Thresholds, ids: Mapping[str, int], folder: Path):
        self.file, self.dataset = file, dataset
        self.teachers, self.thresholds, self.ids, self.folder = teachers, thresholds, ids, folder

    def label(self, index: int, people: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """
        Label an image.

        :param people: what the file has of people in it.
        :return: 'image': what changes of its entry; 'objects': new annotations without ids;
            'joints': pairs of the id of an annotation and what it gets.
        """
        record, teachers = self.file.records[index], self.teachers
        lacking = [] if teachers.objects is None else [
            name for name in teachers.classes if not _is_labelled(self.file, record, name)]
        posed = teachers.people is not None and not (
            self.file.joints and PERSON in self.file.named(record, *JOINTS))
        labels: dict[str, Any] = {'image': {}, 'objects': [], 'joints': []}
        if not (lacking or posed or teachers.pixels):
            return labels
        sample = self.dataset[index]
        if lacking:
            labels['objects'] = list(self._objects(sample.image, lacking))
        known = self.file.named(record, *BOXES).union(lacking)
        posed = posed and PERSON in known
        if posed:
            labels['joints'] = self._joints(sample.image, people, labels['objects'])
        maps = self._map(sample, record, labels['objects'], known)
        if lacking or posed or maps:
            names = _labelled(self.file, record, lacking, self.ids, posed, maps)
            labels['image']['labelled'] = names
        if maps:
            name = self.teachers.maps[0]
            labels['image'][MAPS] = {**record.maps, name: f'{MAPS}/{record.image_id}.png'}
        return labels

    def _objects(self, image: np.ndarray, lacking: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield annotations of the objects whose class is among those that lack labels."""
        found, limits = self.teachers.objects(image), self.thresholds
        wanted = {i: self.ids[name] for i, name in enumerate(self.teachers.classes)
                  if name in lacking}
        for box, index, score in zip(found.boxes, found.classes.tolist(), found.scores):
            width, height = box[2:] - box[:2]
            if index in wanted and score >= limits.unsure and min(width, height) >= MIN_SIDE:
                numbers = [round(float(value), 2) for value in (*box[:2], width, height)]
                yield {'category_id': wanted[index], 'bbox': numbers,
                       'area': round(float(width * height), 2),
                       'iscrowd': int(score < limits.keep), 'score': round(float(score), 4)}

    def _joints(self, image: np.ndarray, people: Sequence[dict[str, Any]],
                objects: Sequence[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
        """Give joints to people: to new ones in place; return those of people in the file."""
        new = [entry for entry in objects
               if entry['category_id'] == self.ids[PERSON] and not entry['iscrowd']]
        entries = [*people, *new]
        if not entries:
            return []
        corners = np.array([entry['bbox'] for entry in entries], np.float32)
        corners[:, 2:] += corners[:, :2]
        scores = np.array([entry.get('score', 1.0) for entry in entries], np.float32)
        boxes = clip_boxes(corners, image.shape[:2])
        joints = self._written(self.teachers.people(image, boxes, scores), image.shape[:2])
        for entry, values in zip(new, joints[len(people):]):
            entry.update(values)
        return [(entry['id'], values) for entry, values in zip(people, joints)]

    def _written(self, found: Poses, size: Size) -> list[dict[str, Any]]:
        """Return the joints of people as a file has them; those that are not sure are 0, 0, 0."""
        own = self.teachers.skeleton.keypoint_names
        order = [own.index(name) if name in own else -1 for name in self.file.joints or own]
        inside = ((found.keypoints >= 0) & (found.keypoints < [size[1], size[0]])).all(axis=2)
        sure = inside & (found.keypoint_scores >= self.thresholds.joints)
        people = []
        for points, certain in zip(found.keypoints, sure):
            rows = [[round(float(x), 2) for x in points[joint]] + [VISIBLE]
                    if joint >= 0 and certain[joint] else [0, 0, 0] for joint in order]
            people.append({'keypoints': [value for row in rows for value in row],
                           'num_keypoints': sum(row[2] > 0 for row in rows)})
        return people

    def _map(self, sample: Sample, record: Record, objects: Sequence[dict[str, Any]],
             known: set[str]) -> list[str]:
        """
        Write a map, unless pixels are labelled already.

        :param objects: those that are new.
        :param known: classes whose boxes are known.
        :return: what the map labels, as entries of the key ``labelled``; [] if there is none.
        """
        if self.teachers.pixels is None:
            return []
        name, task = self.teachers.maps
        truth = sample.annotations.get(name)
        labelled = [i for i in range(len(task.classes)) if truth is not None and (
            truth.labelled_classes is None or truth.labelled_classes[i])]
        wanted = [i for i, c in enumerate(task.classes) if c in known and i not in labelled]
        if not wanted or name in record.maps:
            return []
        labels = self._pixels(sample.image, record, objects, wanted)
        if truth is not None:
            labels = np.where(truth.labels > 0, truth.labels, labels)
        path = self.folder / MAPS / f'{record.image_id}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(path), labels):
            raise OSError(f'{path}: cannot be written')
        names = {task.classes[i] for i in (*labelled, *wanted)}
        return [name] if len(names) == len(task.classes) else [f'{name}:{c}' for c in names]

    def _pixels(self, image: np.ndarray, record: Record, objects: Sequence[dict[str, Any]],
                wanted: Sequence[int]) -> np.ndarray:
        """Return labels (H, W) uint8 of some classes of the task, held to the boxes."""
        classes = self.teachers.maps[1].classes
        index = {self.ids[classes[i]]: i for i in wanted}
        new = np.array([entry['bbox'] for entry in objects], np.float32).reshape(-1, 4)
        new[:, 2:] += new[:, :2]
        boxes = np.concatenate([record.boxes, new])
        crowd = np.concatenate([record.crowd, [bool(entry['iscrowd']) for entry in objects]])
        own = np.array([index.get(number, -1) for number in (
            *record.categories.tolist(), *(entry['category_id'] for entry in objects))], np.int64)
        use = own >= 0
        present, rows = np.unique(own[use], return_inverse=True)
        logits = self.teachers.pixels(image, present)
        labels = gated_labels(logits, boxes[use], rows + 1, crowd[use] == 0,
                              self.thresholds.pixels)
        meaning = np.full(IGNORE + 1, IGNORE, np.uint8)
        meaning[:len(present) + 1] = [0, *(present + 1)]
        return meaning[labels]


def _entries(record: Record) -> tuple[str, ...]:
    """Return what is labelled in an image; without the key, whatever can be."""
    return (*TASKS, *record.maps) if record.labelled is None else record.labelled


def _is_labelled(file: CocoFile, record: Record, name: str) -> bool:
    """Return whether anything about a class is labelled in an image; maps tell of no objects."""
    tasks = {entry.partition(':')[0] for entry in _entries(record)} - record.maps.keys()
    return name in file.named(record, *tasks)


def _labelled(file: CocoFile, record: Record, added: Sequence[str], ids: Mapping[str, int],
              posed: bool, mapped: Sequence[str]) -> list[str]:
    """
    Return what is labelled in an image once it has pseudo-labels.

    :param added: classes with pseudo-labels.
    :param ids: all classes of the new file.
    :param posed: whether people have been given joints.
    :param mapped: what a new map labels, as entries of the key.
    """
    detected = file.named(record, *BOXES).union(added)
    names = BOXES[:1] if detected == ids.keys() else [f'{BOXES[0]}:{c}' for c in detected]
    # What is new says all that was known of the same.
    told = {name for kinds, new in ((JOINTS, posed), (CLASS_MAPS, mapped)) if new
            for name in kinds}
    stay = _beside(file, record) if added or record.labelled is None else record.labelled
    others = (entry for entry in stay if entry.partition(':')[0] not in told)
    return sorted({*names, *others, *JOINTS[:1] * posed, *mapped})


def _beside(file: CocoFile, record: Record) -> Iterator[str]:
    """Yield what is labelled beside boxes, by class: classes that are added are not."""
    bare = {category for category, mask in zip(record.categories, record.masks) if mask is None}
    for entry in _entries(record):
        task, _, name = entry.partition(':')
        kind = TASKS[task].annotation if task in TASKS else None
        if task in record.maps or kind not in (*OBJECTS, *MAPPED):
            yield entry
        elif task not in BOXES and kind in OBJECTS:
            for known in [name] if name else file.classes:
                if kind not in MASKED or file.masked and file.classes[known] not in bare:
                    yield f'{task}:{known}'
