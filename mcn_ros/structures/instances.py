# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects with a class."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mcn_ros.geometry import Size
from mcn_ros.structures.boxes import (
    cut_objects, join_rows, usable_rows, warp_areas, warp_boxes)
from mcn_ros.structures.labels import both_labelled
from mcn_ros.structures.rows import select
from mcn_ros.structures.structure import Array


@dataclass(frozen=True)
class Instances:
    """
    Objects in one image.

    :param boxes: (N, 4) float32, xyxy in the pixels of the frame.
    :param classes: (N,) int64, index into the classes of the task.
    :param scores: (N,) float32 in 0..1; 1 in annotations.
    :param crowd: (N,) bool or None; a crowd box covers uncounted objects of its class: neither an
        object to find nor background.
    :param labelled_classes: (C,) bool or None for all; where False nothing is known of the class.
    :param areas: (N,) float32, square pixels of the frame that the object covers, or None.
    :param full_boxes: (N, 4) float32, xyxy, with what is hidden or outside of the image, or None.
    :param visible: (N,) float32, part of the full box that is seen, or None.
    :param ids: (N,) str, of one object the same in all frames, '' where that is not known; None
        where nothing is tracked.
    """

    ROWS: ClassVar[tuple[str, ...]] = (
        'boxes', 'classes', 'scores', 'crowd', 'areas', 'full_boxes', 'visible', 'ids')
    size: ClassVar[None] = None

    boxes: Array
    classes: Array
    scores: Array
    crowd: Array | None = None
    labelled_classes: Array | None = None
    areas: Array | None = None
    full_boxes: Array | None = None
    visible: Array | None = None
    ids: Array | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def warp(self, affine: np.ndarray, size: Size) -> 'Instances':
        """Return the objects in another frame, not clipped; ``size`` is not used."""
        return replace(self, boxes=warp_boxes(self.boxes, affine),
                       areas=warp_areas(self.areas, affine),
                       full_boxes=(None if self.full_boxes is None
                                   else warp_boxes(self.full_boxes, affine)))

    def cut(self, size: Size, min_visible: float) -> 'Instances':
        """Drop objects outside of an image; slivers of objects become crowds."""
        return cut_objects(self, size, min_visible)

    def join(self, other: 'Instances') -> 'Instances':
        """Return the objects of both; labelled are the classes that both label."""
        one, other = self._extents_like(other), other._extents_like(self)
        return replace(join_rows(one, other), labelled_classes=both_labelled(one, other))

    def _extents_like(self, other: 'Instances') -> 'Instances':
        """Return the same with extents, those of the boxes, where the other has some."""
        if self.full_boxes is not None or other.full_boxes is None:
            return self
        return replace(self, full_boxes=self.boxes,
                       visible=np.ones(len(self.boxes), np.float32))

    def nothing(self) -> 'Instances':
        """Return no objects."""
        return select(self, slice(0))

    def subjects(self) -> np.ndarray:
        """Return the boxes (M, 4) of objects that a view can be made to show."""
        return self.boxes[usable_rows(self)]
