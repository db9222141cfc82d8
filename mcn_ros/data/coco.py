# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Images and annotations of a COCO data set, as the tasks understand them."""

from pathlib import Path
from typing import Any, Mapping

import numpy as np

from mcn_ros.data.annotation_cache import read_cached
from mcn_ros.data.coco_file import CocoFile, read_coco, Record
from mcn_ros.data.image_formats import EncodedImage
from mcn_ros.data.labels import Labels, MAPPED, MASKED, READERS
from mcn_ros.geometry import Size
from mcn_ros.structures import ClassMap, Sample, Structure
from mcn_ros.tasks import Task
from mcn_ros.vocabulary import Skeleton


class CocoAnnotations:
    """
    What a COCO file says of its images, as tasks understand it, in camera pixels.

    Classes are matched by name and numbered as the task numbers them. A task is given what its
    type of annotation says, see :mod:`mcn_ros.data.labels`:

    - :class:`Instances`: crowds are rows with ``crowd`` set;
    - :class:`Poses`: all persons (one without labelled joints is all NaN), if the file's category
      person names keypoints;
    - :class:`ClassMap`: its map, or else all masks of one class merged into one map (MCN, section
      3). Crowds are drawn as their class: their masks do tell which pixels they cover;
    - :class:`RegionMap`: its map, or else the objects with a mask, and some of what is around;
    - :class:`ScalarMap`, :class:`VectorMap`, :class:`ClassPlanes`: its map; of a task of objects,
      else all masks as one.

    A task is absent from a sample where nothing is labelled for it: by the image's ``labelled``
    key, because it has no map (see :mod:`mcn_ros.data.coco_file` for both), and because a file
    labels only its own categories.

    :param source: path of the annotation file, or its content.
    :param tasks: task name -> task; one that COCO files do not label stays absent.
    :param folder: where maps are, by default that of the annotation file.
    :param cache: folder where other processes find what has been read; None for none.
    :raises ValueError: for a missing or malformed file.
    """

    def __init__(self, source: Path | str | Mapping[str, Any], tasks: Mapping[str, Task],
                 folder: Path | str | None = None, cache: Path | str | None = None):
        self.tasks = {name: task for name, task in tasks.items() if task.annotation in READERS}
        masks = any(task.annotation in MASKED or task.of_objects for task in self.tasks.values())
        self.file = (read_coco(source, masks) if cache is None or isinstance(source, Mapping)
                     else read_cached(source, Path(cache), masks))
        self.folder = self.file.path.parent if folder is None else Path(folder)
        for name, task in self.tasks.items():
            if task.joints and self.file.joints:
                _check_joints(self.file, task.joints)
            for record in self.file.records:
                _check_promises(self.labels(record, name))
        self._records = {record.image_id: record for record in self.file.records}

    def __getitem__(self, image_id: int) -> dict[str, Structure]:
        """Return task name -> annotation of an image by its id; ValueError for a bad map."""
        record = self._records[image_id]
        annotations = {name: READERS[task.annotation](self.labels(record, name))
                       for name, task in self.tasks.items()}
        return {name: value for name, value in annotations.items() if value is not None}

    def labels(self, record: Record, name: str) -> Labels:
        """Return what the file says of an image for a task."""
        return Labels(self.file, record, self.folder, name, self.tasks[name])


class CocoDataset:
    """
    A map-style data set of :class:`Sample`, annotated as :class:`CocoAnnotations` says.

    :param annotations: path of the annotation file, or its content.
    :param images: folder that holds the image files; they are first looked at when read.
    :param tasks: task name -> task; one that COCO files do not label stays absent.
    :param cache: folder where other processes find what has been read; None for none.
    :raises ValueError: for a missing or malformed file.
    """

    def __init__(self, annotations: Path | str | Mapping[str, Any], images: Path | str,
                 tasks: Mapping[str, Task], cache: Path | str | None = None):
        self.images = Path(images)
        if not self.images.is_dir():
            raise ValueError(f'{self.images}: no such folder of images')
        self.annotations = CocoAnnotations(annotations, tasks, cache=cache)
        self.file, self.tasks = self.annotations.file, self.annotations.tasks

    @property
    def ids(self) -> tuple[int, ...]:
        """Return the image ids of the file, in the order of the samples."""
        return tuple(record.image_id for record in self.file.records)

    def __len__(self) -> int:
        return len(self.file.records)

    def __getitem__(self, index: int) -> Sample:
        """Read one image; ValueError for one that is unreadable or not of the stated size."""
        record = self.file.records[index]
        return Sample(self.read(index), self.annotations[record.image_id], str(self.path(index)))

    def path(self, index: int) -> Path:
        """Return the file of an image."""
        return self.images / self.file.records[index].file_name

    def read(self, index: int, reduction: int = 1) -> np.ndarray:
        """Return the pixels of an image, see :func:`read_image`, which is of the stated size."""
        path, size = self.path(index), self.file.records[index].size
        image = read_image(path, reduction)
        found = image.shape[:2] if reduction == 1 else EncodedImage.read(path).size()
        if found != size:
            raise ValueError(f'{path}: (height, width) is {found}, but '
                             f'{self.file.path} says {size}{_turn(path, size)}')
        return image


def read_image(path: Path | str, reduction: int = 1) -> np.ndarray:
    """
    Read an image file as stored: annotations refer to pixels before any EXIF rotation.

    :param path: a JPEG, PNG or BMP file.
    :param reduction: 1, 2, 4 or 8: average blocks of so many rows and columns.
    :return: (H, W, 3) uint8 RGB, also of a gray image.
    :raises ValueError: if the file is missing, no image, cut off or larger than any image of a
        camera; it is refused before any of it is decoded.
    """
    file = EncodedImage.read(path)
    try:
        return file.to_rgb(reduction=reduction)
    except ValueError as error:
        raise ValueError(f'{path}: is not an image that can be read: {error}') from error


def _turn(path: Path, size: Size) -> str:
    """Return what to do where an image would have a size if its EXIF orientation were followed."""
    if EncodedImage.read(path).upright_size() != size:
        return ''
    return (': its EXIF data turn it; annotations are of the pixels as they are stored, so turn '
            'those (magick mogrify -auto-orient FILE)')


def _check_joints(file: CocoFile, skeleton: Skeleton) -> None:
    missing = [name for name in skeleton.keypoint_names if name not in file.joints]
    if missing:
        raise ValueError(f'{file.path}: the category person lacks keypoints of {skeleton.name}: '
                         f'{", ".join(missing)}')


def _check_promises(labels: Labels) -> None:
    """Compare what ``labelled`` promises with the masks and the maps that there are."""
    file, record, kind = labels.file, labels.record, labels.task.annotation
    if record.labelled is None or labels.name in record.maps:
        return
    where = f'{file.path}: image {record.image_id} is labelled for {labels.name}, but'
    if kind is ClassMap:
        promised = {file.classes[c] for c in labels.named if c in labels.task.classes}
        bare = [c for c, mask in zip(record.categories, record.masks) if mask is None]
        if promised.intersection(bare):
            raise ValueError(f'{where} not all of its objects have a segmentation')
    elif (kind in MAPPED and labels.name in record.labelled
            and not (labels.task.of_objects and file.masked)):
        raise ValueError(f'{where} has no map of it')
