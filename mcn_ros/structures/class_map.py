# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A class for every pixel."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mcn_ros.geometry import Size
from mcn_ros.structures.cells import Cells, warp_labels
from mcn_ros.structures.labels import both_labelled, IGNORE
from mcn_ros.structures.structure import Array


@dataclass(frozen=True)
class ClassMap(Cells):
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
        labels = warp_labels(self.labels, self.stride, affine, size, IGNORE)
        return replace(self, labels=labels, stride=1)

    def join(self, other: 'ClassMap') -> 'ClassMap':
        """Return what either knows; labelled are the classes that both label."""
        # Unknown is the largest value.
        return replace(self, labels=np.minimum(self.labels, other.labels),
                       labelled_classes=both_labelled(self, other))

    def nothing(self) -> 'ClassMap':
        """Return background everywhere."""
        return replace(self, labels=np.zeros_like(self.labels), labelled_classes=None)
