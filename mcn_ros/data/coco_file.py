# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
COCO annotation files, read strictly: what is wrong is named, nothing is guessed.

T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; the format is described
at cocodataset.org. One optional key is added: an image's ``labelled`` lists what is known of it as
'task' or 'task:class', for instance ``["detection:person", "pose"]``.
"""

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any, Mapping

import numpy as np
from pycocotools import mask as coco_mask

from mcn_ros.geometry import Size

PERSON = 'person'

# A polygon has at least three points.
POLYGON_NUMBERS = 6


@dataclass(frozen=True)
class Record:
    """
    What a file says of one image; N objects, P of them persons, J joints in the file's order.

    :param image_id: its id in the file.
    :param file_name: image file, relative to the folder of images.
    :param size: (height, width) in camera pixels.
    :param labelled: the ``labelled`` key, None where it is absent.
    :param boxes: (N, 4) float32 xyxy, camera pixels.
    :param categories: (N,) int64, category ids of the file.
    :param areas: (N,) float32, square pixels.
    :param crowd: (N,) bool.
    :param keypoints: (P, J, 3) float32 x, y, visibility (0 not labelled, 1 hidden, 2 visible).
    :param masks: N entries: polygons (list of flat xy arrays), a run-length dict, or None.
    """

    image_id: int
    file_name: str
    size: Size
    labelled: tuple[str, ...] | None
    boxes: np.ndarray
    categories: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    keypoints: np.ndarray
    masks: tuple[Any, ...]


@dataclass(frozen=True)
class CocoFile:
    """
    An annotation file.

    :param path: where it was read; 'annotations' if its content was given.
    :param classes: class name -> category id.
    :param joints: keypoint names of the category person; empty if it has none.
    :param records: one per image, by image id.
    :param masked: whether any object has a mask; in a file of boxes, nothing is segmented.
    """

    path: Path
    classes: dict[str, int]
    joints: tuple[str, ...]
    records: tuple[Record, ...]
    masked: bool

    def named(self, record: Record, task: str) -> set[str]:
        """Return the classes of the file that are labelled in an image for a task."""
        if record.labelled is None or task in record.labelled:
            return set(self.classes)
        parts = (entry.partition(':') for entry in record.labelled)
        return {name for of, _, name in parts if of == task}


def read_coco(source: Path | str | Mapping[str, Any], with_masks: bool = True) -> CocoFile:
    """
    Read an annotation file; objects without an area are left out.

    :param source: path of the JSON file, or its content.
    :param with_masks: keep the segmentations, by far the largest part of a file.
    :raises ValueError: naming the file, and the entry at fault.
    """
    if isinstance(source, Mapping):
        path, file = Path('annotations'), source
    else:
        path = Path(source)
        file = _load(path)
    categories = _by_id(file, 'categories', path)
    classes = {_get(c, 'name', f'{path}: category {i}'): i for i, c in categories.items()}
    if len(classes) < len(categories):
        raise ValueError(f'{path}: two categories have the same name')
    person = classes.get(PERSON)
    joints = tuple(categories[person].get('keypoints') or ()) if person is not None else ()
    entries = _entries_by_image(file, categories, path)
    records = []
    for image_id, image in sorted(_by_id(file, 'images', path).items()):
        objects = [_object(entry, person, len(joints), with_masks, path)
                   for entry in entries.pop(image_id, ())]
        records.append(_record(image_id, image, objects, len(joints), path))
        _check_labelled(records[-1], classes, path)
    if entries:
        raise ValueError(f'{path}: annotations of image {min(entries)}, which is not in the file')
    masked = any(mask is not None for record in records for mask in record.masks)
    return CocoFile(path, classes, joints, tuple(records), masked)


def draw_mask(labels: np.ndarray, mask: Any, value: int) -> None:
    """
    Write a value to the pixels of a mask, by the rule of the COCO tools.

    :param labels: (H, W) uint8, changed in place.
    :param mask: polygons (list of flat xy arrays, camera pixels) or a compressed run-length dict.
    """
    height, width = labels.shape
    if isinstance(mask, dict):
        labels[coco_mask.decode(mask) > 0] = value
        return
    # Ten times faster than rasterising at the size of the image: most objects are small.
    points = np.concatenate(mask).reshape(-1, 2)
    left, top = np.maximum(np.floor(points.min(axis=0)) - 1, 0).astype(int)
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + 1
    region = labels[top:bottom, left:right]
    if not region.size:
        return
    shifted = [(polygon.reshape(-1, 2) - [left, top]).ravel() for polygon in mask]
    drawn = coco_mask.decode(coco_mask.frPyObjects(shifted, *region.shape))
    region[drawn.any(axis=2)] = value


def _load(path: Path) -> Mapping[str, Any]:
    try:
        file = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror})') from error
    except ValueError as error:
        raise ValueError(f'{path}: is not JSON ({error})') from error
    if not isinstance(file, dict):
        raise ValueError(f'{path}: is not a COCO annotation file')
    return file


def _get(entry: Mapping[str, Any], key: str, where: str) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise ValueError(f'{where} has no {key!r}')
    return entry[key]


def _by_id(file: Mapping[str, Any], key: str, path: Path) -> dict[int, Mapping[str, Any]]:
    entries = _get(file, key, str(path))
    found = {_get(entry, 'id', f'{path}: an entry of {key}'): entry for entry in entries}
    if len(found) < len(entries):
        raise ValueError(f'{path}: two entries of {key} have the same id')
    return found


def _entries_by_image(file: Mapping[str, Any], categories: Mapping[int, Any],
                      path: Path) -> dict[int, list[Mapping[str, Any]]]:
    entries: dict[int, list[Mapping[str, Any]]] = {}
    for entry in _get(file, 'annotations', str(path)):
        where = f'{path}: annotation {_get(entry, "id", f"{path}: an annotation")}'
        category = _get(entry, 'category_id', where)
        if category not in categories:
            raise ValueError(f'{where}: category {category} is not in the file')
        x, y, width, height = _numbers(_get(entry, 'bbox', where), 4, f'{where}: bbox')
        if width > 0 and height > 0:
            entries.setdefault(_get(entry, 'image_id', where), []).append(entry)
    return entries


def _numbers(values: Any, count: int, where: str) -> np.ndarray:
    try:
        numbers = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f'{where}: is not a list of numbers') from error
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f'{where}: expected {count} finite numbers, got {values!r}')
    return numbers


def _object(entry: Mapping[str, Any], person: int | None, num_joints: int, with_masks: bool,
            path: Path) -> tuple[Any, ...]:
    """Return category, xyxy box, area, crowd, keypoints (None if no person) and mask."""
    where = f'{path}: annotation {entry["id"]}'
    x, y, width, height = entry['bbox']
    keypoints = None
    if entry['category_id'] == person:
        values = entry.get('keypoints') or [0] * 3 * num_joints
        keypoints = _numbers(values, 3 * num_joints, f'{where}: keypoints').reshape(-1, 3)
    mask = _mask(entry.get('segmentation'), where) if with_masks else None
    return (entry['category_id'], (x, y, x + width, y + height),
            entry.get('area') or width * height, bool(entry.get('iscrowd', 0)), keypoints, mask)


def _mask(segmentation: Any, where: str) -> Any:
    """Return polygons as arrays, run lengths compressed, None for nothing."""
    if not segmentation:
        return None
    if isinstance(segmentation, dict):
        height, width = _get(segmentation, 'size', f'{where}: segmentation')
        counts = _get(segmentation, 'counts', f'{where}: segmentation')
        if isinstance(counts, list):
            return coco_mask.frPyObjects(segmentation, height, width)
        return segmentation
    polygons = [np.asarray(polygon, dtype=np.float32) for polygon in segmentation]
    if any(p.ndim != 1 or p.size % 2 for p in polygons):
        raise ValueError(f'{where}: segmentation is neither polygons nor run lengths')
    return [p for p in polygons if p.size >= POLYGON_NUMBERS] or None


def _record(image_id: int, image: Mapping[str, Any], objects: list[tuple[Any, ...]],
            num_joints: int, path: Path) -> Record:
    where = f'{path}: image {image_id}'
    size = _get(image, 'height', where), _get(image, 'width', where)
    labelled = image.get('labelled')
    categories, boxes, areas, crowd, keypoints, masks = zip(*objects) if objects else ((),) * 6
    for mask in masks:
        if isinstance(mask, dict) and tuple(mask['size']) != size:
            raise ValueError(f'{where}: a run-length mask is {mask["size"]}, the image {size}')
    persons = [rows for rows in keypoints if rows is not None]
    return Record(
        image_id=image_id, file_name=_get(image, 'file_name', where), size=size,
        labelled=None if labelled is None else tuple(labelled),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        categories=np.array(categories, np.int64), areas=np.array(areas, np.float32),
        crowd=np.array(crowd, bool),
        keypoints=np.array(persons, np.float32).reshape(len(persons), num_joints, 3),
        masks=tuple(masks))


def _check_labelled(record: Record, classes: Mapping[str, int], path: Path) -> None:
    """Find a misspelt class before a training silently takes it for unlabelled."""
    for entry in record.labelled or ():
        name = entry.partition(':')[2]
        if name and name not in classes:
            raise ValueError(f'{path}: image {record.image_id}: labelled has {entry!r}, but '
                             f'{name!r} is no category (categories: {", ".join(classes)})')
