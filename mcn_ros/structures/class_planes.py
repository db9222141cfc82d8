# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A number for every class at every pixel."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mcn_ros.geometry import compose, scaling, Size
from mcn_ros.structures.cells import Cells
from mcn_ros.structures.class_map import ClassMap
from mcn_ros.structures.labels import both_labelled, IGNORE
from mcn_ros.structures.scalar_map import warp_values
from mcn_ros.structures.structure import Array


@dataclass(frozen=True)
class ClassPlanes(Cells):
    """
    Classes of which several may hold at a pixel, each with a map like a :class:`ScalarMap`.

    :param planes: (C, H, W) uint8 in annotations: 0 no, 1 yes, 255 unknown; float32 in 0..1 in
        predictions.
    :param labelled_classes: (C,) bool or None for all; the plane of a class that is not labelled
        is unknown everywhere.
    :param stride: pixels of the frame per value.
    """

    ROWS: ClassVar[tuple[str, ...]] = ('planes',)
    AXIS: ClassVar[int] = 1

    planes: Array
    labelled_classes: Array | None = None
    stride: int = 1

    def warp(self, affine: np.ndarray, size: Size) -> 'ClassPlanes':
        """Return planes of ``size`` in another frame, see :meth:`ScalarMap.warp`."""
        affine = compose(affine, scaling(self.stride))
        planes = np.empty((len(self.planes), *size), self.planes.dtype)
        for index, plane in enumerate(self.planes):
            planes[index] = warp_values(plane, affine, size)
        return replace(self, planes=planes, stride=1)

    def class_map(self, threshold: float) -> ClassMap:
        """
        Return the likeliest class of every pixel, background where its score is lower, or 0.

        Of an annotation it is the first class that is sure; unknown counts as no.
        """
        scores = self.planes
        if scores.dtype == np.uint8:
            scores = np.where(scores == IGNORE, 0, scores)
        labels, best = np.zeros(scores.shape[1:], np.uint8), np.zeros_like(scores[0])
        for index, plane in enumerate(scores):
            np.copyto(labels, index + 1, where=(plane >= threshold) & (plane > best))
            np.maximum(best, plane, out=best)
        return ClassMap(labels, self.labelled_classes, self.stride)

    def join(self, other: 'ClassPlanes') -> 'ClassPlanes':
        """Return what either annotation knows, of the classes that both label."""
        # Unknown is the largest value.
        planes, labelled = np.minimum(self.planes, other.planes), both_labelled(self, other)
        if labelled is not None:
            planes[~labelled] = IGNORE
        return replace(self, planes=planes, labelled_classes=labelled)

    def nothing(self) -> 'ClassPlanes':
        """Return a prediction of no class anywhere."""
        return replace(self, planes=np.zeros(self.planes.shape, np.float32),
                       labelled_classes=None)
