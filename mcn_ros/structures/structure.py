# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the structures have in common."""

from typing import Any, ClassVar, Protocol

import numpy as np

from mcn_ros.geometry import Size

Array = Any  # numpy.ndarray, or torch.Tensor in the predictions of a batch


class Structure(Protocol):
    """
    A frozen dataclass of arrays in the pixels of an image.

    :cvar ROWS: names of the arrays that have one row per object (or per image, in the batched
        predictions that a task decodes); those among them that are None are left alone.
    :ivar size: (height, width) of the frame of a map; None of objects, which do not tell.
    """

    ROWS: ClassVar[tuple[str, ...]]
    size: Size | None

    def warp(self, affine: np.ndarray, size: Size) -> 'Structure':
        """
        Return the same content in another frame.

        :param affine: (2, 3) pixels of this frame -> pixels of the other one.
        :param size: (height, width) of the other frame.
        """

    def cut(self, size: Size, min_visible: float) -> 'Structure':
        """
        Return an annotation without what is outside of an image.

        :param size: (height, width) of the image.
        :param min_visible: an object of which a smaller share of its box is left is no longer an
            object to find, but nor is it background: it becomes a crowd.
        """

    def join(self, other: 'Structure') -> 'Structure':
        """
        Return the annotations of two parts of one image as one.

        :param other: in the same frame; what it knows, this one does not, and vice versa.
        """

    def nothing(self) -> 'Structure':
        """Return what a predictor would say of this image without having looked."""
