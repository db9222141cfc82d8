# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Where surfaces face, by planes that are fitted to distances.

The inverse depth of a plane is linear in the place in the image, whatever the camera: 1 / z =
(n / d) . ray, with the ray at one metre. So a plane is a linear fit, and noise of cameras that
measure a disparity is the same everywhere.
"""

from typing import NamedTuple

import numpy as np

STEPS = 4  # neighbours from the middle of a window to its side
# Of the distance; what is so far from the last plane is not of it. The first plane faces the
# camera, and floors that are seen from the side are far from that.
LIMITS = 0.1, 0.06, 0.03
LEAST = 0.3  # of the weights of a window; with less there is no plane
SPREAD = 0.02  # of the mean square of a window's side: neighbours on a line are no plane


class Intrinsics(NamedTuple):
    """Focal lengths and principal point, pixels; the centre of the first is (0, 0)."""

    fx: float
    fy: float
    cx: float
    cy: float


def surface_normals(depth: np.ndarray, camera: Intrinsics, radius: int) -> np.ndarray:
    """
    Return where surfaces face.

    :param depth: (H, W), distances along the optical axis in any unit, NaN where unknown.
    :param camera: the camera.
    :param radius: pixels; a plane is fitted to neighbours that are so near, those on another
        surface left out.
    :return: (H, W, 3) float32, unit vectors in the optical frame (x right, y down, z away) that
        point to the camera; NaN where the distance is unknown, and where there is no plane.
    """
    inverse = 1 / depth.astype(np.float64)
    slopes, known = _fit(inverse, radius)
    # From slopes per pixel to the plane: 1 / z = a x + b y + c along the ray (x, y, 1).
    rows, columns = np.indices(depth.shape)
    a, b = slopes[1] * camera.fx, slopes[2] * camera.fy
    c = slopes[0] - a * (columns - camera.cx) / camera.fx - b * (rows - camera.cy) / camera.fy
    normals = -np.stack([a, b, c], axis=-1)
    with np.errstate(invalid='ignore', divide='ignore'):
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    normals[~known] = np.nan
    return normals.astype(np.float32)


def _offsets(radius: int) -> list[tuple[int, int]]:
    """Return row and column of the neighbours in a disc, and of the middle."""
    side = np.unique(np.rint(np.linspace(-radius, radius, 2 * STEPS + 1)).astype(int)).tolist()
    return [(row, column) for row in side for column in side
            if row * row + column * column <= radius * radius]


def _fit(inverse: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Fit planes to inverse depth, NaN where unknown.

    :return: (3, H, W) value and slopes along columns and rows, per pixel; and where they are,
        (H, W) bool.
    """
    offsets = _offsets(radius)
    wide = np.pad(inverse, radius, constant_values=np.nan)
    height, width = inverse.shape
    planes = np.stack([inverse, 0 * inverse, 0 * inverse])
    for limit in LIMITS:
        sums = np.zeros((9, height, width))
        for row, column in offsets:
            other = wide[radius + row:radius + row + height,
                         radius + column:radius + column + width]
            off = (other - planes[0] - column * planes[1] - row * planes[2]) / (limit * inverse)
            # Tukey's weights: none beyond the limit. Comparisons with NaN are false.
            weight = np.where(np.abs(off) < 1, (1 - off * off) ** 2, 0)
            value = np.where(weight > 0, other, 0)
            x, y = column * weight, row * weight
            for total, term in zip(sums, (weight, x, y, x * column, x * row, y * row,
                                          weight * value, x * value, y * value)):
                total += term
        planes, spread = _solve(sums)
    with np.errstate(invalid='ignore'):
        known = ((sums[0] > LEAST * len(offsets)) & (spread > SPREAD * radius ** 2)
                 & (np.abs(planes[0] - inverse) < LIMITS[-1] * inverse))
    return planes, known


def _solve(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Solve the normal equations of all pixels.

    :param sums: (9, H, W), weighted: 1, x, y, xx, xy, yy, v, xv, yv.
    :return: (3, H, W) value and slopes along x and y; and the mean square, (H, W), of the places
        along the direction in which they are spread least. NaN where there is no solution.
    """
    with np.errstate(invalid='ignore', divide='ignore'):
        x, y, xx, xy, yy, v, xv, yv = sums[1:] / sums[0]
        xx, xy, yy, xv, yv = xx - x * x, xy - x * y, yy - y * y, xv - x * v, yv - y * v
        area = xx * yy - xy * xy
        area[area <= 0] = np.nan  # all on a line
        along, down = (xv * yy - yv * xy) / area, (yv * xx - xv * xy) / area
        spread = (xx + yy) / 2 - np.sqrt((xx - yy) ** 2 / 4 + xy * xy)
    return np.stack([v - along * x - down * y, along, down]), spread
