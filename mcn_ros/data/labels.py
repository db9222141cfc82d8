# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What an annotation file says of an image for a task, by the type of the task's annotations."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mcn_ros.config import brief
from mcn_ros.data.coco_file import CocoFile, Record
from mcn_ros.data.maps import (
    read_labels, read_planes, read_regions, read_scalars, read_vectors)
from mcn_ros.data.masks import draw_mask
from mcn_ros.structures import (
    ClassMap, ClassPlanes, clip_boxes, IGNORE, Instances, Poses, RegionMap, ScalarMap,
    UNKNOWN_REGION, VectorMap)
from mcn_ros.tasks import Task, TASKS
from mcn_ros.vocabulary import PERSON

# Types that are in maps only.
MAPPED = (ScalarMap, VectorMap, ClassPlanes)

# Types that can be read from the masks of objects, where an image has no map.
MASKED = (ClassMap, RegionMap)

# Categories of data sets of pedestrians: regions of people that nobody has counted.
GROUPS = 'people', 'person?', 'ignore'

# Around objects, so many pixels are known to be none; farther away may be some without a label.
RING = 10


@dataclass(frozen=True)
class Labels:
    """
    What a file says of an image for a task.

    :param file: the annotation file.
    :param record: the image.
    :param folder: where maps are.
    :param name: of the task.
    :param task: the task.
    """

    file: CocoFile
    record: Record
    folder: Path
    name: str
    task: Task

    @property
    def words(self) -> tuple[str, ...]:
        """Return what ``labelled`` may call the task: its name, and kinds of the same labels."""
        return (self.name, *(kind for kind, cls in TASKS.items()
                             if cls.annotation is self.task.annotation))

    @property
    def whole(self) -> bool:
        """Return whether the image is labelled for all that the file knows of the task."""
        labelled = self.record.labelled
        return labelled is None or not set(self.words).isdisjoint(labelled)

    @property
    def all_objects(self) -> bool:
        """Return whether the image says that there are no other objects than those labelled."""
        return self.name in (self.record.labelled or ())

    @property
    def named(self) -> set[str]:
        """Return the classes of the file that are labelled."""
        return self.file.named(self.record, *self.words)

    @property
    def classes(self) -> np.ndarray:
        """Return (C,) bool: which classes of the task are labelled by the file's objects."""
        named = self.named
        return np.array([name in named for name in self.task.classes], dtype=bool)

    @property
    def indices(self) -> np.ndarray:
        """Return (N,) int64: each object's index into the task's classes, -1 for none of them."""
        ids = self.file.classes
        index = {ids[name]: i for i, name in enumerate(self.task.classes) if name in ids}
        return np.array([index.get(c, -1) for c in self.record.categories.tolist()], np.int64)

    @property
    def map(self) -> Path | None:  # noqa: A003
        """Return the file with the map of the task, None where there is none that is labelled."""
        name = self.record.maps.get(self.name)
        return None if name is None or not (self.whole or self.named) else self.folder / name

    @property
    def mapped(self) -> np.ndarray | None:
        """Return (C,) bool or None for all: which classes of the task its map labels."""
        return None if self.whole else self.classes


def _instances(labels: Labels) -> Instances | None:
    record, labelled = labels.record, labels.classes
    if not labelled.any():
        return None
    classes, groups = labels.indices, _groups(labels)
    if groups.any():
        classes[groups] = labels.task.classes.index(PERSON)
    # classes is -1 for a foreign category: it looks up the last class, and is dropped anyway.
    keep = (classes >= 0) & labelled[classes]
    return Instances(
        boxes=record.boxes[keep], classes=classes[keep], scores=np.ones(keep.sum(), np.float32),
        crowd=(record.crowd | groups)[keep], labelled_classes=None if labelled.all() else labelled,
        areas=record.areas[keep],
        full_boxes=None if record.full_boxes is None else record.full_boxes[keep],
        visible=None if record.visible is None else record.visible[keep],
        ids=_ids(labels, keep))


def _groups(labels: Labels) -> np.ndarray:
    """Return which objects, (N,) bool, are regions of people, which a task has no class for."""
    known, classes = labels.file.classes, labels.task.classes
    groups = [known[name] for name in GROUPS if name in known and name not in classes]
    return np.isin(labels.record.categories, groups) & (PERSON in classes)


def _ids(labels: Labels, keep: np.ndarray) -> np.ndarray | None:
    """Return who the objects are, (N,) str; None where the file does not tell of any."""
    return np.array(labels.record.track_ids, str)[keep] if labels.file.tracked else None


def _poses(labels: Labels) -> Poses | None:
    file, record, skeleton = labels.file, labels.record, labels.task.joints
    if not file.joints or PERSON not in labels.named:
        return None
    joints = record.keypoints[:, [file.joints.index(name) for name in skeleton.keypoint_names]]
    known = joints[..., 2] > 0
    persons = record.categories == file.classes[PERSON]
    return Poses(
        boxes=record.boxes[persons], scores=np.ones(persons.sum(), np.float32),
        keypoints=np.where(known[..., None], joints[..., :2], np.float32(np.nan)),
        keypoint_scores=known.astype(np.float32), crowd=record.crowd[persons], skeleton=skeleton,
        areas=record.areas[persons], ids=_ids(labels, persons))


def _class_map(labels: Labels) -> ClassMap | None:
    record, labelled, classes = labels.record, labels.classes, labels.indices
    if labels.map:
        return _mapped_classes(labels)
    # A class with an object whose pixels are not given is not known in this image.
    labelled[[c for c, mask in zip(classes, record.masks) if c >= 0 and mask is None]] = False
    if not labels.file.masked or not labelled.any():
        return None
    pixels = np.zeros(record.size, np.uint8)
    for row in _back_to_front(record):
        if classes[row] >= 0 and labelled[classes[row]]:
            draw_mask(pixels, record.masks[row], classes[row] + 1)
    return ClassMap(pixels, None if labelled.all() else labelled)


def _mapped_classes(labels: Labels) -> ClassMap:
    """Read the map of an image, whose labels may stand for other classes than the task's."""
    mine, theirs = labels.task.classes, labels.file.map_classes.get(labels.name)
    if theirs is None:
        return ClassMap(read_labels(labels.map, labels.record.size, len(mine)), labels.mapped)
    pixels = read_labels(labels.map, labels.record.size, len(theirs))
    meaning = np.zeros(IGNORE + 1, np.uint8)  # other classes are background
    meaning[IGNORE] = IGNORE
    meaning[1:len(theirs) + 1] = [mine.index(name) + 1 if name in mine else 0 for name in theirs]
    labelled = np.isin(mine, theirs)
    if labels.mapped is not None:
        labelled &= labels.mapped
    return ClassMap(meaning[pixels], None if labelled.all() else labelled)


def _region_map(labels: Labels) -> RegionMap | None:
    if labels.map:
        stack = read_regions(labels.map, labels.record.size)
        count = stack[stack < UNKNOWN_REGION].max(initial=0)
        classes, labelled = np.full(count, -1), labels.mapped
        if 'region_categories' in labels.record.entry:
            classes = _region_classes(labels, int(count))
            labelled = None if labels.classes.all() else labels.classes
        return RegionMap(stack[0], classes, labelled,
                         others=stack[1:] if len(stack) > 1 else None)
    if not labels.file.masked or not labels.named:
        return None
    return _objects(labels)


def _region_classes(labels: Labels, count: int) -> np.ndarray:
    """Return (R,) int64: the index of each region's class, -1 where it is none of the task's."""
    categories = labels.record.entry['region_categories']
    if not isinstance(categories, list) or len(categories) < count or not all(
            type(number) is int for number in categories):
        raise ValueError(f'{labels.file.path}: image {labels.record.image_id}: region_categories: '
                         f'expected the category ids of {count} regions, got {brief(categories)}')
    ids, mine = labels.file.classes, labels.task.classes
    index = {ids[name]: i for i, name in enumerate(mine) if name in ids}
    return np.array([index.get(number, -1) for number in categories], np.int64)


def draw_objects(record: Record) -> np.ndarray:
    """
    Return which object each pixel is of, by their masks.

    :return: (H, W) uint16: 0 none, r + 1 object r, 65535 where a crowd is, or the box of an
        object without a mask.
    """
    regions = np.zeros(record.size, np.uint16)
    for row in _back_to_front(record):
        if record.masks[row] is None:
            box = clip_boxes(record.boxes[row], record.size)
            left, top, right, bottom = box.round().astype(int)
            regions[top:bottom, left:right] = UNKNOWN_REGION
        else:
            draw_mask(regions, record.masks[row], UNKNOWN_REGION if record.crowd[row] else row + 1)
    return regions


def _objects(labels: Labels) -> RegionMap:
    """Return the objects with a mask as regions; what is far from all of them is not known."""
    regions, labelled = _near_objects(labels.record), labels.classes
    return RegionMap(regions, labels.indices, None if labelled.all() else labelled)


def _near_objects(record: Record) -> np.ndarray:
    """Return what :func:`draw_objects` does, 65535 also for what is far from all of them."""
    regions = draw_objects(record)
    near = cv2.dilate((regions > 0).astype(np.uint8), np.ones((2 * RING + 1,) * 2, np.uint8))
    regions[near == 0] = UNKNOWN_REGION
    return regions


def _scalar_map(labels: Labels) -> ScalarMap | None:
    if labels.map:
        return ScalarMap(read_scalars(labels.map, labels.record.size))
    if not labels.task.of_objects or not labels.file.masked or not labels.named:
        return None
    # Where nobody says that all objects are labelled, others may be anywhere but around those.
    regions = (draw_objects if labels.all_objects else _near_objects)(labels.record)
    values = (regions > 0).astype(np.uint8)
    values[regions == UNKNOWN_REGION] = IGNORE
    return ScalarMap(values)


def _vector_map(labels: Labels) -> VectorMap | None:
    return labels.map and VectorMap(read_vectors(labels.map, labels.record.size))


def _class_planes(labels: Labels) -> ClassPlanes | None:
    if not labels.map:
        return None
    planes = read_planes(labels.map, labels.record.size, len(labels.task.classes))
    if labels.mapped is not None:
        planes[~labels.mapped] = IGNORE
    return ClassPlanes(planes, labels.mapped)


def _back_to_front(record: Record) -> np.ndarray:
    """
    Return the rows of the objects, (N,), in the order in which their masks are to be drawn.

    Where two masks overlap, the smaller object is nearly always the one in front (a tie on a
    person, a cup on a table), and would vanish under the larger one: it is drawn last.
    """
    return np.argsort(-record.areas, kind='stable')


# What a COCO file says for a task, by the type of the task's annotations.
READERS = {
    Instances: _instances,
    Poses: _poses,
    ClassMap: _class_map,
    RegionMap: _region_map,
    ScalarMap: _scalar_map,
    VectorMap: _vector_map,
    ClassPlanes: _class_planes,
}
