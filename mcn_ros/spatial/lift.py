# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Objects in an image and what a depth camera sees -> objects in space.

A box also holds what is before and behind the object. So the pixels are those of its class where
there is a semantic image, a robust depth among them is the seed, and what is far from it is left
out. What is measured is the visible surface; the far side is not.
"""

from dataclasses import dataclass
import math

import numpy as np

from mcn_ros.spatial.patches import median, patches
from mcn_ros.spatial.subjects import Mask, Subjects
from mcn_ros.spatial.surface import Surface
from mcn_ros.spatial.transform import apply_transform

NOISE = 0.005, 0.002  # a, b: the standard deviation of a depth z is a + b z^2 metres

_LOOKED_AT = 2000  # pixels of an object at most: more cost time and change little
_LEAST_MASK, _LEAST_SHARE = 30, 0.05  # pixels, and share of the box, of a mask that is used
_LEAST_KEPT, _LEAST_KEPT_SHARE = 20, 0.1  # pixels, and share of those looked at, of an object
_WIDEST_GATE = 1.0  # metres
_DEVIATION = 1.4826  # standard deviations in a median of absolute deviations
_SPAN = 0.02, 0.98  # quantiles that a box encloses
_THINNEST = 0.02  # metres
_PLACE_SIGMA = 2.0  # pixels
_NEIGHBOURS = 50  # pixels that count as one measurement
_ANCHOR_RADIUS, _LEAST_ANCHORS = 2, 2


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


@dataclass
class _Look:
    """
    The pixels that are looked at for an object: every ``step``-th in both directions.

    :param rows: (H,) rows of the grid.
    :param columns: (W,) columns of the grid.
    :param depths: (H, W) float32.
    :param chosen: (H, W) bool, those that may be of the object.
    :param label: of the mask that they were chosen by, 0 for none.
    """

    rows: np.ndarray
    columns: np.ndarray
    step: int
    depths: np.ndarray
    chosen: np.ndarray
    label: int
    seed: float = np.nan

    def inside(self, box: np.ndarray) -> tuple[slice, slice]:
        """Return the part that is in a box."""
        left, top, right, bottom = box
        return (slice(*np.searchsorted(self.rows + 0.5, [top, bottom])),
                slice(*np.searchsorted(self.columns + 0.5, [left, right])))


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
    inner = {} if mask is None else {
        label: mask.inner(label) for label in set(subjects.labels.tolist()) - {0}}
    looks = [_look(surface, box, label, inner.get(label))
             for box, label in zip(subjects.boxes, subjects.labels.tolist())]
    rivals = _rivals(subjects)
    _find_seeds(looks, subjects, rivals, _anchor_seeds(surface, subjects))
    found = []
    for index, look in enumerate(looks):
        if look is None or np.isnan(look.seed):
            continue
        _yield_to(look, [(subjects.boxes[rival], looks[rival].seed) for rival in rivals[index]
                         if looks[rival] is not None])
        row = _measure(surface, look, subjects.tolerances[index], transform, noise)
        if row is not None:
            found.append((index, *row, look.label))
    return _stack(found)


def _stack(found: list[tuple]) -> SpatialObjects:
    rows, positions, low, high, covariances, depths, gates, labels = zip(*found) if found \
        else ((),) * 8
    return SpatialObjects(
        np.array(rows, np.int64), *(np.array(values).reshape(-1, 3)
                                    for values in (positions, low, high)),
        np.array(covariances).reshape(-1, 3, 3), np.array(depths, np.float64),
        np.array(gates, np.float64), np.array(labels, np.int64))


def _look(surface: Surface, box: np.ndarray, label: int, inner: np.ndarray | None) -> _Look | None:
    """Choose pixels of a box: those of the mask, or the middle where that has too few."""
    height, width = surface.size
    if not np.isfinite(box).all():
        return None
    left, top = np.floor(box[:2]).clip(0, [width, height]).astype(int).tolist()
    right, bottom = np.ceil(box[2:]).clip(0, [width, height]).astype(int).tolist()
    if right <= left or bottom <= top:
        return None
    area = (right - left) * (bottom - top)
    step = max(1, math.ceil(math.sqrt(area / _LOOKED_AT)))
    first = (step - 1) // 2  # the middle one of each step
    part = slice(top + first, bottom, step), slice(left + first, right, step)
    chosen = None if inner is None else inner[part].copy()
    if chosen is None or (np.count_nonzero(chosen) * step ** 2
                          < max(_LEAST_MASK, _LEAST_SHARE * area)):
        label, chosen = 0, np.zeros(surface.depth[part].shape, bool)
        rows, columns = (size // 4 for size in chosen.shape)
        chosen[rows:chosen.shape[0] - rows, columns:chosen.shape[1] - columns] = True
    return _Look(np.arange(*part[0].indices(height)), np.arange(*part[1].indices(width)), step,
                 surface.depth[part], chosen, label)


def _rivals(subjects: Subjects) -> list[np.ndarray]:
    """Return for each object the others of its class whose boxes overlap its own."""
    low, high = subjects.boxes[:, :2], subjects.boxes[:, 2:]
    overlap = (np.maximum(low[:, None], low) < np.minimum(high[:, None], high)).all(axis=2)
    overlap &= subjects.classes[:, None] == subjects.classes
    np.fill_diagonal(overlap, False)
    return [np.flatnonzero(row) for row in overlap]


def _anchor_seeds(surface: Surface, subjects: Subjects) -> np.ndarray:
    """Return (N,) depths around the anchors of objects; NaN where these have too few."""
    num, anchors = subjects.anchors.shape[:2]
    if not num * anchors:
        return np.full(num, np.nan)
    found = patches(surface, subjects.anchors.reshape(-1, 2),
                    np.full(num * anchors, _ANCHOR_RADIUS))
    seeds = median(found.depths.reshape(num, -1))
    enough = found.inside.reshape(num, anchors).sum(axis=1) >= _LEAST_ANCHORS
    return np.where(enough, seeds, np.nan)


def _find_seeds(looks: list[_Look | None], subjects: Subjects, rivals: list[np.ndarray],
                anchored: np.ndarray) -> None:
    """
    Note a depth that is of each object itself, where there is one.

    It is that of the anchors; or the median of the pixels that no other of the class has; or,
    where another has them all, of those that are not as far away as the others are: who is
    behind somebody is seen beside and above them.
    """
    hidden = []
    for index, look in enumerate(looks):
        if look is not None:
            sole = look.chosen.copy()
            for box in subjects.boxes[rivals[index]]:
                sole[look.inside(box)] = False
            seed = anchored[index]
            look.seed = _median_of(look, sole) if np.isnan(seed) else seed
            if np.isnan(look.seed):
                hidden.append(index)
    seeds = np.array([np.nan if look is None else look.seed for look in looks])
    for index in hidden:
        look, rest = looks[index], looks[index].chosen.copy()
        for rival in rivals[index]:
            part = look.inside(subjects.boxes[rival])
            away = np.abs(look.depths[part] - np.float32(seeds[rival]))
            rest[part] &= ~(away <= subjects.tolerances[rival])
        look.seed = _median_of(look, rest)
        if np.isnan(look.seed):
            look.seed = _median_of(look, look.chosen)


def _median_of(look: _Look, chosen: np.ndarray) -> float:
    """Return the median depth of some pixels, NaN where it is known of too few."""
    depths = look.depths[chosen]
    depths = depths[~np.isnan(depths)]
    enough = len(depths) and len(depths) >= _LEAST_KEPT / look.step ** 2
    return _middle(np.sort(depths)) if enough else np.nan


def _yield_to(look: _Look, rivals: list[tuple[np.ndarray, float]]) -> None:
    """Give pixels to others of the class, in whose boxes they are, where these are nearer."""
    away = np.abs(look.depths - np.float32(look.seed))
    for box, seed in rivals:
        part = look.inside(box)
        look.chosen[part] &= ~(np.abs(look.depths[part] - np.float32(seed)) < away[part])


def _measure(surface: Surface, look: _Look, tolerance: float, transform: np.ndarray | None,
             noise: tuple[float, float]) -> tuple | None:
    """Return position, low, high, covariance, depth and gate of an object, if it is known."""
    rows, columns = np.nonzero(look.chosen & ~np.isnan(look.depths))
    depths = look.depths[rows, columns]
    if not len(depths):
        return None
    kept, depth, deviation, gate = gated(depths, look.seed, tolerance)
    num = np.count_nonzero(kept)
    if num < max(_LEAST_KEPT / look.step ** 2, _LEAST_KEPT_SHARE * np.count_nonzero(look.chosen)):
        return None
    rows, columns = look.rows[rows[kept]], look.columns[columns[kept]]
    points = surface.points(rows, columns)
    place = np.array([_middle(np.sort(columns)), _middle(np.sort(rows))]) + 0.5
    sigma = sigma_of(depth, deviation, num * look.step ** 2, noise)
    jacobian = surface.jacobian(place, depth)
    if transform is not None:
        points, jacobian = apply_transform(transform, points), transform[:, :3] @ jacobian
    covariance = (jacobian * [_PLACE_SIGMA ** 2, _PLACE_SIGMA ** 2, sigma ** 2]) @ jacobian.T
    return (*_extent(points), covariance, depth, gate)


def gated(depths: np.ndarray, seed: float,
          tolerance: float) -> tuple[np.ndarray, float, float, float]:
    """
    Keep what is near a seed, twice: the second time near the median of what was kept.

    :param depths: (N,) without NaN.
    :param tolerance: metres that are kept in any case.
    :return: (N,) bool what is kept, its median, the robust standard deviation of all, and the
        metres that were kept.
    """
    ordered = np.sort(depths)
    for _ in range(2):
        deviation = _DEVIATION * _middle(np.sort(np.abs(ordered - seed)))
        gate = min(max(tolerance, 3 * deviation), _WIDEST_GATE)
        kept = np.abs(depths - seed) <= gate
        near = ordered[np.abs(ordered - seed) <= gate]
        if not len(near):
            break
        seed = _middle(near)
    return kept, seed, deviation, gate


def _middle(ordered: np.ndarray) -> float:
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


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
    middle = (ordered[:, last // 2] + ordered[:, (last + 1) // 2]) / 2
    thin = np.maximum(0, _THINNEST - (high - low)) / 2
    return middle, low - thin, high + thin
