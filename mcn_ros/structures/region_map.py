# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pixels that belong together."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mcn_ros.geometry import Size
from mcn_ros.structures.cells import Cells, warp_labels
from mcn_ros.structures.class_planes import ClassPlanes
from mcn_ros.structures.labels import both_labelled, IGNORE
from mcn_ros.structures.line_map import LineMap
from mcn_ros.structures.structure import Array

UNKNOWN_REGION = 65535


@dataclass(frozen=True)
class RegionMap(Cells):
    """
    The regions of an image.

    Boundaries are annotated so: lines one pixel wide would not survive a warp.

    :param labels: (H, W) uint16: 0 is background, r + 1 is region r, 65535 is unknown.
    :param classes: (R,) int64, index of each region's class into those of the task, -1 for none.
    :param labelled_classes: (C,) bool or None for all; where False nothing is known of the class.
    :param stride: pixels of the frame per label.
    :param others: (A - 1, H, W) uint16 or None: the labels of further annotators of the image,
        who have regions of their own; ``classes`` are those of the regions of all.
    """

    ROWS: ClassVar[tuple[str, ...]] = ('labels',)

    labels: Array
    classes: Array
    labelled_classes: Array | None = None
    stride: int = 1
    others: Array | None = None

    @property
    def annotators(self) -> list['RegionMap']:
        """Return what each annotator says."""
        return [replace(self, labels=labels, others=None) for labels in self._stack]

    def warp(self, affine: np.ndarray, size: Size) -> 'RegionMap':
        """Return a map of ``size`` in another frame: nearest label, unknown outside of this."""
        stack = [warp_labels(labels, self.stride, affine, size, UNKNOWN_REGION)
                 for labels in self._stack]
        return replace(self._with(stack), stride=1)

    def join(self, other: 'RegionMap') -> 'RegionMap':
        """
        Return the regions of both, none of which is of the other's.

        Where one has fewer annotators, the first of them stands for those that it lacks.
        """
        classes = np.concatenate([self.classes, other.classes])
        assert len(classes) < UNKNOWN_REGION, len(classes)
        stack = [self._join_labels(*pair) for pair in _pairs(self._stack, other._stack)]
        return replace(self._with(stack), classes=classes,
                       labelled_classes=both_labelled(self, other))

    def nothing(self) -> 'RegionMap':
        """Return background everywhere."""
        return replace(self, labels=np.zeros_like(self.labels), classes=np.zeros(0, np.int64),
                       labelled_classes=None, others=None)

    def contours(self) -> LineMap:
        """
        Return where a region ends: pixels of which the right or lower neighbour is of another.

        Of several annotators, this is what the first one says; see :attr:`annotators`.

        :return: (H, W) uint8, 255 where one of the three is unknown.
        """
        here, right, below = self._neighbours
        values = ((here != right) | (here != below)).astype(np.uint8)
        values[self._unsure] = IGNORE
        return LineMap(values, self.stride)

    def class_contours(self, count: int) -> ClassPlanes:
        """
        Return where a region of each class ends: it, or what it meets there, is of that class.

        Of several annotators, this is what the first one says.

        :param count: number of classes.
        :return: (count, H, W) uint8, 255 where :meth:`contours` are unknown, and all of a class
            that is not labelled.
        """
        here, *beside = self._neighbours
        table = np.concatenate([[-1], self.classes, [-1]])
        unknown = len(table) - 1
        planes = np.zeros((count, *self.labels.shape), np.uint8)
        for other in beside:
            rows, columns = np.nonzero(here != other)
            for labels in (here, other):
                classes = table[np.minimum(labels[rows, columns], unknown)]
                keep = classes >= 0
                planes[classes[keep], rows[keep], columns[keep]] = 1
        planes[:, self._unsure] = IGNORE
        if self.labelled_classes is not None:
            planes[~np.asarray(self.labelled_classes)] = IGNORE
        return ClassPlanes(planes, self.labelled_classes, self.stride)

    @property
    def _stack(self) -> list[np.ndarray]:
        """Return the labels, (H, W) uint16, of each annotator."""
        return [self.labels, *(() if self.others is None else self.others)]

    def _with(self, stack: list[np.ndarray]) -> 'RegionMap':
        """Return the same with other labels, those of each annotator."""
        return replace(self, labels=stack[0], others=np.stack(stack[1:]) if stack[1:] else None)

    def _join_labels(self, mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        region = (theirs > 0) & (theirs < UNKNOWN_REGION)
        labels = np.where(region, theirs + np.uint16(len(self.classes)), theirs)
        return np.where(mine == UNKNOWN_REGION, labels, mine)

    @property
    def _neighbours(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the labels (H, W) of all pixels, of those right of them and of those below."""
        labels = np.pad(self.labels, ((0, 1), (0, 1)), mode='edge')
        return labels[:-1, :-1], labels[:-1, 1:], labels[1:, :-1]

    @property
    def _unsure(self) -> np.ndarray:
        """Return where a pixel or one of these neighbours is unknown, (H, W) bool."""
        return np.maximum.reduce(self._neighbours) == UNKNOWN_REGION


def _pairs(stack: list[np.ndarray], other: list[np.ndarray],
           ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the labels of the annotators of two parts; the first of a part fills it up."""
    for number in range(max(len(stack), len(other))):
        yield tuple(each[number if number < len(each) else 0] for each in (stack, other))
