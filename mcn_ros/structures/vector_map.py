# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A direction for every pixel."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mcn_ros.geometry import compose, scaling, Size, turn, warp_image
from mcn_ros.structures.cells import Cells
from mcn_ros.structures.structure import Array

FACING = (0.0, 0.0, -1.0)  # the normal of a surface that faces the camera


@dataclass(frozen=True)
class VectorMap(Cells):
    """
    The direction in which the surface at every pixel faces.

    :param vectors: (H, W, 3) float32 unit vectors in the optical frame of the camera (x right,
        y down, z away from it), towards the camera; NaN where unknown.
    :param stride: pixels of the frame per vector.
    """

    ROWS: ClassVar[tuple[str, ...]] = ('vectors',)

    vectors: Array
    stride: int = 1

    def warp(self, affine: np.ndarray, size: Size) -> 'VectorMap':
        """
        Return a map of ``size`` in another frame: nearest vector, NaN outside of this map.

        The frame of the camera turns with the image: vectors are rotated and mirrored with it,
        while magnification and translation leave them alone.

        :raises ValueError: for an affine that stretches.
        """
        turned = turn(affine)
        vectors = warp_image(self.vectors, compose(affine, scaling(self.stride)), size,
                             border=np.nan, nearest=True)
        if not np.allclose(turned, np.eye(2), atol=1e-6):
            vectors[..., :2] = vectors[..., :2] @ turned.T.astype(np.float32)
        return replace(self, vectors=vectors, stride=1)

    def join(self, other: 'VectorMap') -> 'VectorMap':
        """Return what either knows."""
        return replace(self, vectors=np.where(np.isnan(self.vectors), other.vectors, self.vectors))

    def nothing(self) -> 'VectorMap':
        """Return surfaces that face the camera, the likeliest guess."""
        return replace(self, vectors=np.broadcast_to(
            np.float32(FACING), self.vectors.shape).copy())
