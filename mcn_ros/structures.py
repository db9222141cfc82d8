# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What is known about an image: annotations and predictions have the same types.

Every structure has ``warp(affine, size)``: the same content in another frame. Augmentation warps
annotations forward, inference warps predictions back. ``ROWS`` names the arrays that have one row
per object (or per image, in the batched predictions that a task decodes).
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, TypeVar

import numpy as np

from mcn_ros.geometry import (
    apply_affine, compose, mirrors, resample, Resampling, scaling, Size, warp_image)
from mcn_ros.vocabulary import COCO_SKELETON, Skeleton

IGNORE = 255

Array = Any  # numpy.ndarray, or torch.Tensor in the predictions of a batch
S = TypeVar('S')


def select(structure: S, index: Any) -> S:
    """Index the rows of a structure: a mask or indices keep objects, an int takes an image."""
    rows = {name: getattr(structure, name) for name in structure.ROWS}
    return replace(structure, **{k: None if v is None else v[index] for k, v in rows.items()})


def to_numpy(structure: S) -> S:
    """Copy every tensor of a structure to the host as a numpy array."""
    changed = {f.name: getattr(structure, f.name).detach().cpu().numpy()
               for f in fields(structure) if hasattr(getattr(structure, f.name), 'detach')}
    return replace(structure, **changed)


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
    """

    ROWS: ClassVar[tuple[str, ...]] = ('boxes', 'classes', 'scores', 'crowd')

    boxes: Array
    classes: Array
    scores: Array
    crowd: Array | None = None
    labelled_classes: Array | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def warp(self, affine: np.ndarray, size: Size) -> 'Instances':
        """Return the objects in another frame, not clipped; ``size`` is not used."""
        return replace(self, boxes=warp_boxes(self.boxes, affine))


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
    """

    ROWS: ClassVar[tuple[str, ...]] = ('boxes', 'scores', 'keypoints', 'keypoint_scores', 'crowd')

    boxes: Array
    scores: Array
    keypoints: Array
    keypoint_scores: Array
    crowd: Array | None = None
    skeleton: Skeleton = field(default=COCO_SKELETON)

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
                       keypoint_scores=scores)


def crowd_rows(annotation: Instances | Poses) -> np.ndarray:
    """Return which rows are crowds, (N,) bool; none where the annotation does not say."""
    if annotation.crowd is None:
        return np.zeros(len(annotation), bool)
    return annotation.crowd


@dataclass(frozen=True)
class ClassMap:
    """
    A class for every pixel.

    :param labels: (H, W) uint8: 0 is background, c + 1 is class c of the task, 255 is unknown.
    :param labelled_classes: (C,) bool or None for all; where some class is False, label 0 means
        "none of the labelled classes".
    :param stride: pixels of the frame per label: a map may be coarser than the image it describes.
    """

    ROWS: ClassVar[tuple[str, ...]] = ('labels',)

    labels: Array
    labelled_classes: Array | None = None
    stride: int = 1

    def warp(self, affine: np.ndarray, size: Size) -> 'ClassMap':
        """Return a map of ``size`` in another frame: nearest label, 255 outside of this map."""
        affine = compose(affine, scaling(self.stride))
        labels = warp_image(self.labels, affine, size, border=IGNORE, nearest=True)
        return replace(self, labels=labels, stride=1)


@dataclass(frozen=True)
class Sample:
    """
    An image and what is known about it.

    :param image: (H, W, 3) uint8 RGB; float32 of a view in the style of CenterNet, 0..255 and
        beyond.
    :param annotations: task name -> annotation in the pixels of ``image``. A missing task is "not
        labelled"; an annotation without objects is "labelled, nothing there".
    :param id: names the image in messages.
    """

    image: np.ndarray
    annotations: dict[str, Any]
    id: str = ''  # noqa: A003

    def warp(self, affine: np.ndarray, size: Size, resampling: Resampling = Resampling(),
             ) -> 'Sample':
        """Return image and annotations in another frame of ``size`` (height, width)."""
        annotations = {k: v.warp(affine, size) for k, v in self.annotations.items()}
        return Sample(resample(self.image, affine, size, resampling), annotations, self.id)
