# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
COCO annotation files, read strictly: what is wrong is named, nothing is guessed.

T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; the format is described
at cocodataset.org. Three optional keys of an image are added: ``labelled`` lists what is known of
it as 'task' or 'task:class', for instance ``["detection:person", "pose"]``; ``maps`` names PNG
files, see :mod:`mcn_ros.data.maps`, by task, relative to the folder of the annotation file, for
instance ``{"normals": "normals/1.png"}``; ``region_categories`` lists the category id of each
region of such a map, 0 for none. In the first two, a task is meant by its name in the network; in
``labelled`` also by a kind. An object may have two keys more: ``full_bbox``, a box around all of
it, also around what is hidden or outside of the image, and ``vis_ratio``, which part of that is
seen. The file itself may have ``map_classes``: the classes that the labels
of a task's maps stand for, where these are not just those of the task, for instance
``{"segmentation": ["person", "dog"]}``. An annotation may have a ``track_id``, an integer that is
the same for one object in all images of a video.
"""

from dataclasses import dataclass, field
import json
import logging
from pathlib import Path, PurePath
from typing import Any, Mapping

import numpy as np

from mcn_ros.config import brief
from mcn_ros.data.coco_object import CocoObject, has_joints, read_box, read_object
from mcn_ros.data.image_formats import MAX_PIXELS, too_large
from mcn_ros.data.json_entries import get_texts, get_value
from mcn_ros.data.masks import read_mask
from mcn_ros.geometry import Size
from mcn_ros.vocabulary import PERSON

NAMED = 5  # objects that are left out, in a message


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
    :param track_ids: N entries, the ``track_id`` of an object as text; '' where it has none.
    :param maps: task name -> PNG file, relative to the folder of the annotation file.
    :param full_boxes: (N, 4) float32 xyxy, camera pixels, with what is not seen; the box where the
        file does not say. None if it does so of no object of the image, as of most files.
    :param visible: (N,) float32, seen part of the full box, 1 where the file does not say; None as
        above.
    :param entry: what the file has of the image itself, for keys that it is not read for.
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
    track_ids: tuple[str, ...]
    maps: Mapping[str, str]
    entry: Mapping[str, Any]
    full_boxes: np.ndarray | None = None
    visible: np.ndarray | None = None


@dataclass(frozen=True)
class CocoFile:
    """
    An annotation file.

    :param path: where it was read; 'annotations' if its content was given.
    :param classes: class name -> category id.
    :param joints: keypoint names of the category person; empty if it has none.
    :param records: one per image, by image id.
    :param masked: whether any object has a mask; in a file of boxes, nothing is segmented.
    :param tracked: whether any object has a ``track_id``.
    :param map_classes: task name -> classes of the labels of its maps; those of the task where it
        is not named. The key ``map_classes``.
    """

    path: Path
    classes: dict[str, int]
    joints: tuple[str, ...]
    records: tuple[Record, ...]
    masked: bool
    tracked: bool
    map_classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def named(self, record: Record, *tasks: str) -> set[str]:
        """Return the classes of the file that are labelled in an image for any of some tasks."""
        if record.labelled is None or not set(tasks).isdisjoint(record.labelled):
            return set(self.classes)
        parts = (entry.partition(':') for entry in record.labelled)
        return {name for of, _, name in parts if of in tasks}


def read_coco(source: Path | str | Mapping[str, Any], with_masks: bool = True) -> CocoFile:
    """
    Read an annotation file.

    Objects without an area, and those wholly outside of their image, are left out, with a warning
    that counts and names them.

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
    classes = _classes(categories, path)
    person = classes.get(PERSON)
    joints = () if person is None else get_texts(
        categories[person], 'keypoints', f'{path}: category {person}') or ()
    entries = _entries_by_image(file, categories, path)
    records, left_out = [], []
    for image_id, image in sorted(_by_id(file, 'images', path).items()):
        size = _size(image, f'{path}: image {image_id}')
        objects = []
        for entry in entries.pop(image_id, ()):
            where = f'{path}: annotation {entry["id"]}'
            box = read_box(entry, where)
            if _is_seen(box, size):
                mask = entry.get('segmentation') if with_masks else None
                objects.append(read_object(
                    entry, box, len(joints) if entry['category_id'] == person else None,
                    read_mask(mask, size, f'{where}: segmentation'), where))
            else:
                left_out.append(entry['id'])
        records.append(_record(image_id, image, size, objects, len(joints), path))
        _check_labelled(records[-1], classes, path)
    if entries:
        raise ValueError(f'{path}: annotations of image {min(entries)}, which is not in the file')
    _tell_left_out(left_out, path)
    if person is not None and not joints:
        _tell_unnamed_joints(file, person, path)
    masked = any(mask is not None for record in records for mask in record.masks)
    tracked = any(any(record.track_ids) for record in records)
    return CocoFile(path, classes, joints, tuple(records), masked, tracked,
                    _map_classes(file, path))


def _map_classes(file: Mapping[str, Any], path: Path) -> dict[str, tuple[str, ...]]:
    names, where = file.get('map_classes') or {}, f'{path}: map_classes'
    if not isinstance(names, dict):
        raise ValueError(f'{where}: expected a list of names for each task, got {brief(names)}')
    return {task: get_texts(names, task, where) or () for task in names}


def _load(path: Path) -> Mapping[str, Any]:
    try:
        file = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror})') from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path}: is not JSON ({error})') from error
    if not isinstance(file, dict):
        raise ValueError(f'{path}: is not a COCO annotation file')
    return file


def _by_id(file: Mapping[str, Any], key: str, path: Path) -> dict[int, Mapping[str, Any]]:
    entries: dict[int, Mapping[str, Any]] = {}
    for entry in get_value(file, key, str(path), list):
        number = get_value(entry, 'id', f'{path}: an entry of {key}', int)
        if number in entries:
            raise ValueError(f'{path}: two entries of {key} have the same id, {number}')
        entries[number] = entry
    return entries


def _classes(categories: Mapping[int, Mapping[str, Any]], path: Path) -> dict[str, int]:
    """Return class name -> category id."""
    classes: dict[str, int] = {}
    for number, category in categories.items():
        name = get_value(category, 'name', f'{path}: category {number}', str)
        if name in classes:
            raise ValueError(f'{path}: categories {classes[name]} and {number} have the same '
                             f'name, {brief(name)}')
        classes[name] = number
    return classes


def _entries_by_image(file: Mapping[str, Any], categories: Mapping[int, Any],
                      path: Path) -> dict[int, list[Mapping[str, Any]]]:
    entries: dict[int, list[Mapping[str, Any]]] = {}
    for number, entry in _by_id(file, 'annotations', path).items():
        where = f'{path}: annotation {number}'
        category = get_value(entry, 'category_id', where, int)
        if category not in categories:
            raise ValueError(f'{where}: category {category} is not in the file')
        entries.setdefault(get_value(entry, 'image_id', where, int), []).append(entry)
    return entries


def _size(image: Mapping[str, Any], where: str) -> Size:
    size = get_value(image, 'height', where, int), get_value(image, 'width', where, int)
    if min(size) < 1:
        raise ValueError(f'{where}: (height, width) is {size}')
    if problem := too_large(*size, MAX_PIXELS):
        raise ValueError(f'{where}: {problem}')
    return size


def _is_seen(box: np.ndarray, size: Size) -> bool:
    """Return whether a box has an area, and any of it is in the image."""
    left, top, right, bottom = box
    return left < min(right, size[1]) and top < min(bottom, size[0]) and min(right, bottom) > 0


def _record(image_id: int, image: Mapping[str, Any], size: Size, objects: list[CocoObject],
            num_joints: int, path: Path) -> Record:
    where = f'{path}: image {image_id}'
    categories, boxes, areas, crowd, keypoints, extents, masks, track_ids = (
        zip(*objects) if objects else ((),) * 8)
    told = any(extent is not None for extent in extents)
    extents = [extent or (box, 1.0) for extent, box in zip(extents, boxes)]
    persons = [rows for rows in keypoints if rows is not None]
    return Record(
        image_id=image_id, file_name=_file_name(image, where), size=size,
        labelled=get_texts(image, 'labelled', where),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        categories=np.array(categories, np.int64), areas=np.array(areas, np.float32),
        crowd=np.array(crowd, bool),
        keypoints=np.array(persons, np.float32).reshape(len(persons), num_joints, 3),
        masks=tuple(masks), track_ids=track_ids, maps=_maps(image, where), entry=image,
        full_boxes=np.array([box for box, _ in extents], np.float32) if told else None,
        visible=np.array([part for _, part in extents], np.float32) if told else None)


def _maps(image: Mapping[str, Any], where: str) -> dict[str, str]:
    maps, where = image.get('maps') or {}, f'{where}: maps'
    if not isinstance(maps, dict):
        raise ValueError(f'{where}: expected a PNG file for each task, got {brief(maps)}')
    return {task: _file_name(maps, where, task) for task in maps}


def _file_name(entry: Mapping[str, Any], where: str, key: str = 'file_name') -> str:
    """Return the name of an image file; a file of annotations leads to no other folders."""
    name = get_value(entry, key, where, str)
    if PurePath(name).is_absolute() or '..' in PurePath(name).parts or '\0' in name:
        raise ValueError(f'{where}: {key}: {brief(name)} is not in the folder of images')
    return name


def _check_labelled(record: Record, classes: Mapping[str, int], path: Path) -> None:
    """Find a misspelt class before a training silently takes it for unlabelled."""
    for entry in record.labelled or ():
        name = entry.partition(':')[2]
        if name and name not in classes:
            raise ValueError(f'{path}: image {record.image_id}: labelled has {entry!r}, but '
                             f'{name!r} is no category (categories: {", ".join(classes)})')


def _tell_left_out(annotations: list[int], path: Path) -> None:
    if annotations:
        logging.getLogger(__name__).warning(
            '%s: %d objects are left out, without an area or outside of their image: annotations '
            '%s', path, len(annotations), _first(annotations))


def _tell_unnamed_joints(file: Mapping[str, Any], person: int, path: Path) -> None:
    people = [entry['id'] for entry in file['annotations']
              if entry['category_id'] == person and has_joints(entry)]
    if people:
        logging.getLogger(__name__).warning(
            '%s: %d people have joints, but the category person names no keypoints: boxes and '
            'masks are used, poses cannot be: annotations %s', path, len(people), _first(people))


def _first(numbers: list[int]) -> str:
    return ', '.join(map(str, numbers[:NAMED])) + (', ...' if numbers[NAMED:] else '')
