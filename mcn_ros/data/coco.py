# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Images and annotations of a COCO data set, as the tasks understand them."""

from pathlib import Path
from typing import Any, Mapping

import numpy as np

from mcn_ros.data.coco_file import CocoFile, PERSON, read_coco, Record
from mcn_ros.data.image_formats import EncodedImage
from mcn_ros.data.masks import draw_mask
from mcn_ros.structures import ClassMap, Instances, Poses, Sample
from mcn_ros.vocabulary import SKELETONS


class CocoAnnotations:
    """
    What a COCO file says of its images, as tasks understand it, in camera pixels.

    Classes are matched by name and numbered as the task numbers them. The tasks are given

    - ``detection``: :class:`Instances`; crowds are rows with ``crowd`` set;
    - ``pose``: :class:`Poses` of all persons (a person without labelled joints is all NaN), if the
      file's category person names keypoints;
    - ``segmentation``: :class:`ClassMap`, all masks of one class merged into one map (MCN,
      section 3). Crowds are drawn as their class: their masks do tell which pixels they cover.

    A task is absent from a sample where nothing is labelled for it: by the image's ``labelled``
    key (see :mod:`mcn_ros.data.coco_file`), and because a file labels only its own categories.

    :param source: path of the annotation file, or its content.
    :param tasks: task name -> task; one that COCO files do not label stays absent.
    :raises ValueError: for a missing or malformed file.
    """

    def __init__(self, source: Path | str | Mapping[str, Any], tasks: Mapping[str, Any]):
        self.file = read_coco(source, with_masks='segmentation' in tasks)
        self.tasks = {name: task for name, task in tasks.items() if name in READERS}
        if 'pose' in self.tasks and self.file.joints:
            _check_joints(self.file, self.tasks['pose'].skeleton)
        if 'segmentation' in self.tasks:
            _check_masks(self.file, self.tasks['segmentation'].classes)
        self._records = {record.image_id: record for record in self.file.records}

    def __getitem__(self, image_id: int) -> dict[str, Any]:
        """Return task name -> annotation of an image, by its id in the file."""
        found = {name: READERS[name](self.file, self._records[image_id], task)
                 for name, task in self.tasks.items()}
        return {name: value for name, value in found.items() if value is not None}


class CocoDataset:
    """
    A map-style data set of :class:`Sample`, annotated as :class:`CocoAnnotations` says.

    :param annotations: path of the annotation file.
    :param images: folder that holds the image files; they are first looked at when read.
    :param tasks: task name -> task; one that COCO files do not label stays absent.
    :raises ValueError: for a missing or malformed file.
    """

    def __init__(self, annotations: Path | str, images: Path | str, tasks: Mapping[str, Any]):
        self.images = Path(images)
        if not self.images.is_dir():
            raise ValueError(f'{self.images}: no such folder of images')
        self.annotations = CocoAnnotations(annotations, tasks)
        self.file, self.tasks = self.annotations.file, self.annotations.tasks

    @property
    def ids(self) -> tuple[int, ...]:
        """Return the image ids of the file, in the order of the samples."""
        return tuple(record.image_id for record in self.file.records)

    def __len__(self) -> int:
        return len(self.file.records)

    def __getitem__(self, index: int) -> Sample:
        """
        Read one image.

        :raises ValueError: if the image is missing, unreadable or not of the stated size.
        """
        record = self.file.records[index]
        path = self.images / record.file_name
        image = read_image(path)
        if image.shape[:2] != record.size:
            raise ValueError(f'{path}: (height, width) is {image.shape[:2]}, but '
                             f'{self.file.path} says {record.size}')
        return Sample(image, self.annotations[record.image_id], str(record.image_id))


def read_image(path: Path | str) -> np.ndarray:
    """
    Read an image file as stored: annotations refer to pixels before any EXIF rotation.

    :param path: a JPEG, PNG or BMP file.
    :return: (H, W, 3) uint8 RGB, also of a gray image.
    :raises ValueError: if the file is missing, no image, cut off or larger than any image of a
        camera; it is refused before any of it is decoded.
    """
    try:
        return EncodedImage.read(path).to_rgb()
    except ValueError as error:
        raise ValueError(f'{path}: is not an image that can be read: {error}') from error
    except FileNotFoundError as error:
        raise ValueError(f'{path}: no such image') from error
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror})') from error


def _instances(file: CocoFile, record: Record, task: Any) -> Instances | None:
    labelled = _labelled(file, record, 'detection', task.classes)
    if not labelled.any():
        return None
    classes = _class_indices(file, record, task.classes)
    # classes is -1 for a foreign category: it looks up the last class, and is dropped anyway.
    keep = (classes >= 0) & labelled[classes]
    return Instances(
        boxes=record.boxes[keep], classes=classes[keep], scores=np.ones(keep.sum(), np.float32),
        crowd=record.crowd[keep], labelled_classes=None if labelled.all() else labelled,
        areas=record.areas[keep])


def _poses(file: CocoFile, record: Record, task: Any) -> Poses | None:
    if not file.joints or PERSON not in file.named(record, 'pose'):
        return None
    skeleton = SKELETONS[task.skeleton]
    joints = record.keypoints[:, [file.joints.index(name) for name in skeleton.keypoint_names]]
    known = joints[..., 2] > 0
    persons = record.categories == file.classes[PERSON]
    return Poses(
        boxes=record.boxes[persons], scores=np.ones(persons.sum(), np.float32),
        keypoints=np.where(known[..., None], joints[..., :2], np.float32(np.nan)),
        keypoint_scores=known.astype(np.float32), crowd=record.crowd[persons], skeleton=skeleton,
        areas=record.areas[persons])


def _class_map(file: CocoFile, record: Record, task: Any) -> ClassMap | None:
    labelled = _labelled(file, record, 'segmentation', task.classes)
    classes = _class_indices(file, record, task.classes)
    # A class with an object whose pixels are not given is not known in this image.
    labelled[[c for c, mask in zip(classes, record.masks) if c >= 0 and mask is None]] = False
    if not file.masked or not labelled.any():
        return None
    labels = np.zeros(record.size, np.uint8)
    # Where two masks overlap, the smaller object is nearly always the one in front (a tie on a
    # person, a cup on a table), and would vanish under the larger one: it is drawn last.
    for row in np.argsort(-record.areas, kind='stable'):
        if classes[row] >= 0 and labelled[classes[row]]:
            draw_mask(labels, record.masks[row], classes[row] + 1)
    return ClassMap(labels, None if labelled.all() else labelled)


# What a COCO file says for a task; the names are those that an image's ``labelled`` may use.
READERS = {'detection': _instances, 'pose': _poses, 'segmentation': _class_map}


def _labelled(file: CocoFile, record: Record, task: str, classes: tuple[str, ...]) -> np.ndarray:
    """Return (C,) bool: which classes of a task are labelled in an image."""
    named = file.named(record, task)
    return np.array([name in named for name in classes], dtype=bool)


def _class_indices(file: CocoFile, record: Record, classes: tuple[str, ...]) -> np.ndarray:
    """Return (N,) int64: each object's index into the classes of a task, -1 for none of them."""
    index = {file.classes[name]: i for i, name in enumerate(classes) if name in file.classes}
    return np.array([index.get(c, -1) for c in record.categories.tolist()], dtype=np.int64)


def _check_joints(file: CocoFile, skeleton: str) -> None:
    names = SKELETONS[skeleton].keypoint_names
    missing = [name for name in names if name not in file.joints]
    if missing:
        raise ValueError(f'{file.path}: the category person lacks keypoints of {skeleton}: '
                         f'{", ".join(missing)}')


def _check_masks(file: CocoFile, classes: tuple[str, ...]) -> None:
    """Compare what ``labelled`` promises with the masks that there are."""
    for record in file.records:
        if record.labelled is None or all(mask is not None for mask in record.masks):
            continue
        promised = {file.classes[c] for c in file.named(record, 'segmentation') if c in classes}
        bare = [c for c, mask in zip(record.categories, record.masks) if mask is None]
        if promised.intersection(bare):
            raise ValueError(f'{file.path}: image {record.image_id} is labelled for segmentation, '
                             'but not all of its objects have a segmentation')
