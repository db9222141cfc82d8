# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Boxes, and what the structures of objects with boxes have in common."""

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from mcn_ros.geometry import apply_affine, determinant, Size
from mcn_ros.structures.rows import select

S = TypeVar('S')


def warp_boxes(boxes: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """
    Map boxes; under rotation the result encloses the rotated box.

    :param boxes: (N, 4) xyxy.
    :return: (N, 4) xyxy float32.
    """
    corners = boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 4, 2)
    corners = apply_affine(affine, corners)
    return np.hstack([corners.min(axis=1), corners.max(axis=1)]).astype(np.float32)


def clip_boxes(boxes: np.ndarray, size: Size) -> np.ndarray:
    """Cut xyxy boxes at the border of an image of (height, width); inverted ones become empty."""
    height, width = size
    clipped = np.clip(boxes, 0, [width, height, width, height]).astype(boxes.dtype)
    return np.maximum(clipped, clipped[..., [0, 1, 0, 1]])


def clip(structure: S, size: Size) -> S:
    """Cut the boxes of a structure, if it has any, at the border of an image."""
    if 'boxes' not in structure.ROWS:
        return structure
    return replace(structure, boxes=clip_boxes(structure.boxes, size))


def box_areas(boxes: np.ndarray) -> np.ndarray:
    """Return the areas (N,) of xyxy boxes (N, 4)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def box_intersections(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the areas (N, M) that xyxy boxes (N, 4) and (M, 4) share."""
    corners = np.maximum(boxes[:, None, :2], others[:, :2])
    sides = np.maximum(np.minimum(boxes[:, None, 2:], others[:, 2:]) - corners, 0)
    return sides[..., 0] * sides[..., 1]


def crowd_rows(objects: Any) -> np.ndarray:
    """Return which rows are crowds, (N,) bool; none where the annotation does not say."""
    return np.zeros(len(objects), bool) if objects.crowd is None else objects.crowd


def area_rows(objects: Any) -> np.ndarray:
    """Return the area of each row, (N,); that of its box where the annotation does not say."""
    return box_areas(objects.boxes) if objects.areas is None else objects.areas


def id_rows(objects: Any) -> np.ndarray:
    """Return the id of each row, (N,) str; '' where it is not known."""
    return np.full(len(objects), '') if objects.ids is None else objects.ids


def warp_areas(areas: np.ndarray | None, affine: np.ndarray) -> np.ndarray | None:
    """Return areas (N,) float32 in another frame."""
    if areas is None:
        return None
    return (areas * abs(determinant(affine))).astype(np.float32)


def cut_objects(objects: S, size: Size, min_visible: float) -> S:
    """Drop objects outside of an image; slivers become crowds, see :meth:`Structure.cut`."""
    boxes = objects.boxes
    visible = box_areas(clip_boxes(boxes, size)) / np.maximum(box_areas(boxes), 1e-6)
    crowd = crowd_rows(objects) | (visible < min_visible)
    return select(replace(objects, crowd=crowd), visible > 0)


def join_rows(one: S, other: S) -> S:
    """Return the objects of two annotations in one, those of ``one`` first."""
    filled = [replace(objects, crowd=crowd_rows(objects), areas=area_rows(objects))
              for objects in (one, other)]
    joined = {}
    for name in one.ROWS:
        pair = [getattr(objects, name) for objects in filled]
        if any(rows is not None for rows in pair):
            joined[name] = np.concatenate([
                _UNTOLD[name](objects) if rows is None else rows
                for rows, objects in zip(pair, filled)])
    return replace(one, **joined)


# What rows are where only one of two annotations has them.
_UNTOLD = {'ids': id_rows, 'full_boxes': lambda objects: objects.boxes,
           'visible': lambda objects: np.ones(len(objects.boxes), np.float32)}


def usable_rows(objects: Any) -> np.ndarray:
    """Return which rows, (N,) bool, are single objects that have an area."""
    return ~crowd_rows(objects) & (box_areas(objects.boxes) > 0)
