# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""People with joints."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from mcn_ros.geometry import apply_affine, mirrors, Size
from mcn_ros.structures.boxes import (
    cut_objects, join_rows, usable_rows, warp_areas, warp_boxes)
from mcn_ros.structures.rows import select
from mcn_ros.structures.structure import Array
from mcn_ros.vocabulary import COCO_SKELETON, Skeleton


@dataclass(frozen=True)
class Poses:
    """
    People in one image, each with a box and joints.

    :param boxes: (N, 4) float32, xyxy in the pixels of the frame.
    :param scores: (N,) float32 in 0..1; 1 in annotations.
    :param keypoints: (N, J, 2) float32 xy in the pixels of the frame; NaN where a joint is absent.
    :param keypoint_scores: (N, J) float32 in 0..1; in annotations 1 where a joint is labelled.
    :param crowd: (N,) bool or None; a crowd box covers uncounted people.
    :param skeleton: what the J joints are.
    :param areas: (N,) float32, square pixels of the frame that the person covers, or None.
    :param ids: (N,) str, of one person the same in all frames, '' where that is not known; None
        where nobody is tracked.
    """

    ROWS: ClassVar[tuple[str, ...]] = ('boxes', 'scores', 'keypoints', 'keypoint_scores', 'crowd',
                                       'areas', 'ids')
    size: ClassVar[None] = None

    boxes: Array
    scores: Array
    keypoints: Array
    keypoint_scores: Array
    crowd: Array | None = None
    skeleton: Skeleton = field(default=COCO_SKELETON)
    areas: Array | None = None
    ids: Array | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def warp(self, affine: np.ndarray, size: Size) -> 'Poses':
        """Return the people in another frame; a mirroring affine swaps left and right joints."""
        keypoints = apply_affine(affine, self.keypoints)
        scores = self.keypoint_scores
        if mirrors(affine):
            swap = list(self.skeleton.flip)
            keypoints, scores = keypoints[:, swap], scores[:, swap]
        return replace(self, boxes=warp_boxes(self.boxes, affine), keypoints=keypoints,
                       keypoint_scores=scores, areas=warp_areas(self.areas, affine))

    def cut(self, size: Size, min_visible: float) -> 'Poses':
        """Drop people and joints outside of an image; slivers of people become crowds."""
        points = self.keypoints
        # Comparisons with NaN are False: a joint that was absent stays absent.
        inside = ((points >= 0) & (points < [size[1], size[0]])).all(axis=2)
        people = replace(self, keypoints=np.where(inside[..., None], points, np.float32(np.nan)),
                         keypoint_scores=self.keypoint_scores * inside)
        return cut_objects(people, size, min_visible)

    def join(self, other: 'Poses') -> 'Poses':
        """Return the people of both."""
        return join_rows(self, other)

    def nothing(self) -> 'Poses':
        """Return no people."""
        return select(self, slice(0))

    def subjects(self) -> np.ndarray:
        """Return the boxes (M, 4) of people with joints, which a view can be made to show."""
        return self.boxes[usable_rows(self) & (self.keypoint_scores > 0).any(axis=1)]
