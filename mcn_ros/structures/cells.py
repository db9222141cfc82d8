# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Maps whose cells may be wider than a pixel of the frame."""

from typing import Sequence

import numpy as np

from mcn_ros.geometry import compose, scaling, Size, warp_image


def frame_size(cells: Sequence[int], stride: int) -> Size:
    """Return the (height, width) of the frame of a map, in pixels, by that of its cells."""
    height, width = cells
    return stride * height, stride * width


def warp_labels(labels: np.ndarray, stride: int, affine: np.ndarray, size: Size, unknown: int,
                ) -> np.ndarray:
    """
    Return labels of ``size`` in another frame, one a pixel: the nearest one, or unknown.

    :param labels: (H, W) uint8 or uint16, one for ``stride`` x ``stride`` pixels.
    :param unknown: the label outside of the map.
    """
    return warp_image(labels, compose(affine, scaling(stride)), size, border=unknown, nearest=True)
