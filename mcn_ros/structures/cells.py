# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Maps whose cells may be wider than a pixel of the frame."""

from typing import ClassVar

import numpy as np

from mcn_ros.geometry import compose, scaling, Size, warp_image


class Cells:
    """
    What maps have in common: an array with the name of ``ROWS``, and the stride of its cells.

    :cvar AXIS: of the array, along which its rows of cells are.
    """

    ROWS: ClassVar[tuple[str, ...]]
    AXIS: ClassVar[int] = 0

    @property
    def size(self) -> Size:
        """Return the (height, width) of the frame."""
        height, width = getattr(self, self.ROWS[0]).shape[self.AXIS:self.AXIS + 2]
        return self.stride * height, self.stride * width

    def cut(self, size: Size, min_visible: float) -> 'Cells':
        """Return the map: it ends with its image."""
        return self


def warp_labels(labels: np.ndarray, stride: int, affine: np.ndarray, size: Size, unknown: int,
                ) -> np.ndarray:
    """
    Return labels of ``size`` in another frame, one a pixel: the nearest one, or unknown.

    :param labels: (H, W) uint8 or uint16, one for ``stride`` x ``stride`` pixels.
    :param unknown: the label outside of the map.
    """
    return warp_image(labels, compose(affine, scaling(stride)), size, border=unknown, nearest=True)
