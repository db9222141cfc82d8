# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One object of a COCO annotation file; see :mod:`mcn_ros.data.coco_file` for the keys."""

from typing import Any, Mapping, NamedTuple

import numpy as np

from mcn_ros.config import brief
from mcn_ros.data.json_entries import get_number, get_value, read_numbers

FLAGS = 'iscrowd', 'ignore'  # both say that an object is not to be counted


class CocoObject(NamedTuple):
    """
    What a file says of an object.

    :param box: (4,) float64 xyxy, camera pixels.
    :param area: square pixels.
    :param keypoints: (J, 3) x, y, visibility; None of a category without joints.
    :param extent: box of all of it, and which part of that is seen; None if not told.
    :param mask: see :func:`mcn_ros.data.masks.read_mask`.
    :param track_id: as text; '' where it has none.
    """

    category: int
    box: np.ndarray
    area: float
    crowd: bool
    keypoints: np.ndarray | None
    extent: tuple[np.ndarray, float] | None
    mask: Any
    track_id: str


def read_box(entry: Mapping[str, Any], where: str, key: str = 'bbox') -> np.ndarray:
    """Return (4,) float64 xyxy, camera pixels."""
    read_numbers(get_value(entry, key, where), 4, f'{where}: {key}')
    x, y, width, height = entry[key]
    return np.array([x, y, x + width, y + height])


def read_object(entry: Mapping[str, Any], box: np.ndarray, num_joints: int | None, mask: Any,
                where: str) -> CocoObject:
    """
    Read an entry of the annotations.

    :param box: see :func:`read_box`.
    :param num_joints: of its category; None for one that has none.
    :param mask: what its ``segmentation`` is.
    :param where: what an error begins with.
    """
    keypoints = None
    if num_joints is not None:
        values = entry['keypoints'] if num_joints and has_joints(entry) else [0] * 3 * num_joints
        keypoints = read_numbers(values, 3 * num_joints, f'{where}: keypoints').reshape(-1, 3)
    area = get_number(entry, 'area', where, 'square pixels')
    if not 0 <= area < 1e12:
        raise ValueError(f'{where}: area: expected square pixels, got {brief(area)}')
    flags = [_is_set(entry, key, where) for key in FLAGS]
    area = area or entry['bbox'][2] * entry['bbox'][3]
    return CocoObject(entry['category_id'], box, area, any(flags), keypoints,
                      _extent(entry, box, where), mask, _track_id(entry, where))


def _extent(entry: Mapping[str, Any], box: np.ndarray, where: str,
            ) -> tuple[np.ndarray, float] | None:
    """Return the box of all of an object, and the part of it that is seen; None if not told."""
    full, ratio = entry.get('full_bbox'), entry.get('vis_ratio')
    if full is None and ratio is None:
        return None
    full = box if full is None else read_box(entry, where, 'full_bbox')
    width, height = full[2:] - full[:2]
    if width <= 0 or height <= 0:
        raise ValueError(f'{where}: full_bbox: {brief(entry["full_bbox"])} has no area')
    if ratio is None:
        return full, min(1.0, float(np.prod(box[2:] - box[:2]) / (width * height)))
    if not 0 <= get_number(entry, 'vis_ratio', where, 'a number in 0..1') <= 1:
        raise ValueError(f'{where}: vis_ratio: expected a number in 0..1, got {brief(ratio)}')
    return full, float(ratio)


def _is_set(entry: Mapping[str, Any], key: str, where: str) -> bool:
    """Return a flag that may be absent: 0 or 1, or what JSON calls true and false."""
    value = entry.get(key)
    if value is None or value is True or value is False:
        return bool(value)
    if get_number(entry, key, where, '0 or 1') not in (0, 1):
        raise ValueError(f'{where}: {key}: expected 0 or 1, got {brief(value)}')
    return bool(value)


def _track_id(entry: Mapping[str, Any], where: str) -> str:
    """Return the integer that tells an object from others in all images, as text; '' for none."""
    value = entry.get('track_id')
    if value is None:
        return ''
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f'{where}: track_id: expected an integer, got {brief(value)}')
    return str(value)


def has_joints(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry has joints, whatever its category."""
    return entry.get('keypoints') not in (None, [])
