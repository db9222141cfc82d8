# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Objects in an image and what a depth camera sees -> objects in space.

What is measured is the visible surface, of the pixels that :mod:`mcn_ros.spatial.pixels` chooses;
the far side is not.
"""

from dataclasses import dataclass

import numpy as np

from mcn_ros.spatial.pixels import choose_pixels, Kept, middle
from mcn_ros.spatial.subjects import Mask, Subjects
from mcn_ros.spatial.surface import Surface
from mcn_ros.spatial.transform import apply_transform

NOISE = 0.005, 0.002  # a, b: the standard deviation of a depth z is a + b z^2 metres

# Pixels of an object at most: more cost time and change little.
_LOOKED_AT, _GLANCED_AT = 2000, 400
_SPAN = 0.02, 0.98  # quantiles that a box encloses
_THINNEST = 0.02  # metres
_PLACE_SIGMA = 2.0  # pixels
_NEIGHBOURS = 50  # pixels that count as one measurement


@dataclass(frozen=True)
class SpatialObjects:
    """
    Those of the objects in an image whose distance is known.

    :param rows: (M,) int64, which of the objects, ascending.
    :param positions: (M, 3) float64, metres: robust centre of the visible surface.
    :param low: (M, 3) float64, smallest coordinates of the box along the axes of the frame.
    :param high: (M, 3) float64, largest ones.
    :param covariances: (M, 3, 3) float64 of the positions, square metres.
    :param depths: (M,) float64, metres along the optical axis.
    :param gates: (M,) float64, metres that the pixels of the object may be before or behind.
    :param labels: (M,) int64, label of the mask that was used, 0 for none.
    """

    rows: np.ndarray
    positions: np.ndarray
    low: np.ndarray
    high: np.ndarray
    covariances: np.ndarray
    depths: np.ndarray
    gates: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def lift(surface: Surface, subjects: Subjects, mask: Mask | None = None,
         transform: np.ndarray | None = None,
         noise: tuple[float, float] = NOISE) -> SpatialObjects:
    """
    Find objects in space; those without enough depth are left out.

    :param subjects: the objects, in pixels of the surface.
    :param mask: classes of the pixels of the surface, if these are known.
    :param transform: (3, 4), frame of the surface -> frame of the result, None for the same.
    :param noise: a and b of the standard deviation a + b z^2 of a depth z.
    """
    found = [(index, *_measure(surface, kept, pixels.step, transform, noise), kept.depth,
              kept.gate, pixels.label)
             for index, pixels, kept in choose_pixels(surface, subjects, mask, _LOOKED_AT)]
    return _stack(found)


def locate(surface: Surface, subjects: Subjects, mask: Mask | None = None,
           transform: np.ndarray | None = None) -> np.ndarray:
    """
    Return about where objects are: (N, 3) float64 metres, NaN where that is not known.

    Few pixels are looked at, so that takes less than half of the time of :func:`lift`. It is the
    middle of these pixels at their median depth.
    """
    places = np.full((len(subjects.boxes), 2), np.nan)
    depths = np.full((len(subjects.boxes), 1), np.nan)
    for index, _, kept in choose_pixels(surface, subjects, mask, _GLANCED_AT):
        places[index], depths[index] = _place(kept), kept.depth
    positions = depths * surface.rays(places)
    return positions if transform is None else apply_transform(transform, positions)


def _stack(found: list[tuple]) -> SpatialObjects:
    rows, positions, low, high, covariances, depths, gates, labels = zip(*found) if found \
        else ((),) * 8
    return SpatialObjects(
        np.array(rows, np.int64), *(np.array(values).reshape(-1, 3)
                                    for values in (positions, low, high)),
        np.array(covariances).reshape(-1, 3, 3), np.array(depths, np.float64),
        np.array(gates, np.float64), np.array(labels, np.int64))


def _measure(surface: Surface, kept: Kept, step: int, transform: np.ndarray | None,
             noise: tuple[float, float]) -> tuple[np.ndarray, ...]:
    """Return position, low, high and covariance of an object."""
    points = surface.points(kept.rows, kept.columns)
    place = _place(kept)
    sigma = sigma_of(kept.depth, kept.deviation, len(kept.rows) * step ** 2, noise)
    jacobian = surface.jacobian(place, kept.depth)
    if transform is not None:
        points, jacobian = apply_transform(transform, points), transform[:, :3] @ jacobian
    covariance = (jacobian * [_PLACE_SIGMA ** 2, _PLACE_SIGMA ** 2, sigma ** 2]) @ jacobian.T
    return (*_extent(points), covariance)


def _place(kept: Kept) -> np.ndarray:
    """Return the xy in the middle of pixels."""
    return np.array([middle(np.sort(kept.columns)), middle(np.sort(kept.rows))]) + 0.5


def sigma_of(depth: np.ndarray | float, deviation: np.ndarray | float, pixels: np.ndarray | float,
             noise: tuple[float, float]) -> np.ndarray | float:
    """
    Return the standard deviation of a depth that is a median of pixels.

    :param deviation: robust standard deviation of the pixels.
    :param pixels: their number; neighbours are not independent.
    """
    measurements = np.maximum(1, pixels / _NEIGHBOURS)
    return np.sqrt((noise[0] + noise[1] * depth ** 2) ** 2 + deviation ** 2 / measurements)


def _extent(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the median of points, and the corners of a box around nearly all of them."""
    ordered = np.sort(points.T, axis=1).astype(np.float64)
    last = ordered.shape[1] - 1
    low, high = (ordered[:, round(share * last)] for share in _SPAN)
    centre = (ordered[:, last // 2] + ordered[:, (last + 1) // 2]) / 2
    thin = np.maximum(0, _THINNEST - (high - low)) / 2
    return centre, low - thin, high + thin
