# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A number for every pixel."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mcn_ros.geometry import compose, scaling, Size, warp_image
from mcn_ros.structures.cells import Cells
from mcn_ros.structures.labels import IGNORE
from mcn_ros.structures.structure import Array


@dataclass(frozen=True)
class ScalarMap(Cells):
    """
    How much every pixel belongs to something, such as what stands out.

    :param values: (H, W) uint8 in annotations: 0 no, 1 yes, 255 unknown; float32 in 0..1 in
        predictions.
    :param stride: pixels of the frame per value.
    """

    ROWS: ClassVar[tuple[str, ...]] = ('values',)

    values: Array
    stride: int = 1

    def warp(self, affine: np.ndarray, size: Size) -> 'ScalarMap':
        """
        Return a map of ``size`` in another frame.

        An annotation has the nearest value, and 255 outside of this map; a prediction is
        interpolated, and goes on beyond its border as it is there.
        """
        affine = compose(affine, scaling(self.stride))
        return replace(self, values=warp_values(self.values, affine, size), stride=1)

    def join(self, other: 'ScalarMap') -> 'ScalarMap':
        """Return what either annotation knows."""
        # Unknown is the largest value.
        return replace(self, values=np.minimum(self.values, other.values))

    def nothing(self) -> 'ScalarMap':
        """Return a prediction of 0 everywhere."""
        return replace(self, values=np.zeros(self.values.shape, np.float32))


def warp_values(values: np.ndarray, affine: np.ndarray, size: Size) -> np.ndarray:
    """Warp values (H, W), uint8 or float32, see :meth:`ScalarMap.warp`."""
    if values.dtype == np.uint8:
        return warp_image(values, affine, size, IGNORE, nearest=True)
    return warp_image(values, affine, size, 'edge')
