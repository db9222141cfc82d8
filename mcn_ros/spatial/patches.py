# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Depths around places in an image, many at once."""

from typing import NamedTuple

import numpy as np

from mcn_ros.spatial.surface import Surface


class Patches(NamedTuple):
    """
    Squares of pixels around places.

    :param depths: (N, K) float32, NaN where not known, outside of the square or of the image.
    :param rows: (N, K) int64, clipped to the image.
    :param columns: (N, K) int64 likewise.
    :param inside: (N,) bool, whether the place itself is in the image.
    """

    depths: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    inside: np.ndarray


def patches(surface: Surface, places: np.ndarray, radii: np.ndarray) -> Patches:
    """
    Return what is around places; nothing around one that is NaN or outside of the image.

    :param places: (N, 2) xy.
    :param radii: (N,) int, pixels to each side of the pixel of the place.
    """
    height, width = surface.size
    inside = ((places >= 0) & (places < [width, height])).all(axis=1)  # False for NaN
    pixels = np.where(inside[:, None], places, 0).astype(np.int64)  # floor, as they are positive
    reach = int(radii.max(initial=0))
    steps = np.arange(-reach, reach + 1)
    down, right = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing='ij'))
    rows, columns = pixels[:, 1:] + down, pixels[:, :1] + right
    known = (np.maximum(np.abs(down), np.abs(right)) <= radii[:, None]) & inside[:, None]
    known &= (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    depths = np.where(known, surface.depth[rows, columns], np.float32(np.nan))
    return Patches(depths, rows, columns, inside)


def median(values: np.ndarray) -> np.ndarray:
    """Return the medians (N,) of the rows of (N, K), without NaN; NaN for rows of nothing else."""
    ordered = np.sort(values, axis=1)  # NaN comes last
    last = np.maximum(0, np.count_nonzero(~np.isnan(values), axis=1) - 1)
    row = np.arange(len(values))
    return (ordered[row, last // 2] + ordered[row, (last + 1) // 2]) / 2
