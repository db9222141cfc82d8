# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Which pixels of a depth camera are of which object.

A box also holds what is before and behind the object. So the pixels are those of its class where
there is a semantic image, a robust depth among them is the seed, and what is far from it is left
out.
"""

from dataclasses import dataclass
import math
from typing import Iterator, NamedTuple

import numpy as np

from mcn_ros.spatial.patches import median, patches
from mcn_ros.spatial.subjects import Mask, Subjects
from mcn_ros.spatial.surface import Surface

_LEAST_MASK, _LEAST_SHARE = 30, 0.05  # pixels, and share of the box, of a mask that is used
_LEAST_KEPT, _LEAST_KEPT_SHARE = 20, 0.1  # pixels, and share of those looked at, of an object
_WIDEST_GATE = 1.0  # metres
_DEVIATION = 1.4826  # standard deviations in a median of absolute deviations
_ANCHOR_RADIUS, _LEAST_ANCHORS = 2, 2


@dataclass
class ObjectPixels:
    """
    The pixels that are looked at for an object: every ``step``-th in both directions.

    :param rows: (H,) rows of the grid.
    :param columns: (W,) columns of the grid.
    :param depths: (H, W) float32.
    :param chosen: (H, W) bool, those that may be of the object.
    :param label: of the mask that they were chosen by, 0 for none.
    :param seed: a depth that is of the object, metres; NaN where there is none.
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

    def keep(self, tolerance: float) -> 'Kept | None':
        """
        Return the pixels that are near the seed, None where these are too few.

        :param tolerance: metres before and behind it that are of the object in any case.
        """
        rows, columns = np.nonzero(self.chosen & ~np.isnan(self.depths))
        depths = self.depths[rows, columns]
        if not len(depths):
            return None
        kept, depth, deviation, gate = gated(depths, self.seed, tolerance)
        if np.count_nonzero(kept) < max(_LEAST_KEPT / self.step ** 2,
                                        _LEAST_KEPT_SHARE * np.count_nonzero(self.chosen)):
            return None
        return Kept(self.rows[rows[kept]], self.columns[columns[kept]], depth, deviation, gate)


class Kept(NamedTuple):
    """
    The pixels that are of an object.

    :param rows: (N,).
    :param columns: (N,).
    :param depth: their median, metres.
    :param deviation: robust standard deviation of all that were looked at, metres.
    :param gate: metres that they may be before or behind.
    """

    rows: np.ndarray
    columns: np.ndarray
    depth: float
    deviation: float
    gate: float


def choose_pixels(surface: Surface, subjects: Subjects, mask: Mask | None,
                  most: int) -> Iterator[tuple[int, ObjectPixels, Kept]]:
    """
    Return the index of each object whose depth is known, what was looked at, and what is its own.

    :param most: pixels to look at for each; of more, every second, third, ... row and column.
    """
    looks = [_look(surface, box, label, mask, most)
             for box, label in zip(subjects.boxes, subjects.labels.tolist())]
    rivals = _rivals(subjects)
    _find_seeds(looks, subjects, rivals, _anchor_seeds(surface, subjects))
    for index, look in enumerate(looks):
        if look is None or np.isnan(look.seed):
            continue
        _yield_to(look, [(subjects.boxes[rival], looks[rival].seed) for rival in rivals[index]
                         if looks[rival] is not None])
        kept = look.keep(subjects.tolerances[index])
        if kept is not None:
            yield index, look, kept


def _look(surface: Surface, box: np.ndarray, label: int, mask: Mask | None,
          most: int) -> ObjectPixels | None:
    """Choose pixels of a box: those of the mask, or the middle where that has too few."""
    height, width = surface.size
    if not np.isfinite(box).all():
        return None
    left, top = np.floor(box[:2]).clip(0, [width, height]).astype(int).tolist()
    right, bottom = np.ceil(box[2:]).clip(0, [width, height]).astype(int).tolist()
    if right <= left or bottom <= top:
        return None
    area = (right - left) * (bottom - top)
    step = max(1, math.ceil(math.sqrt(area / most)))
    first = (step - 1) // 2  # the middle one of each step
    part = slice(top + first, bottom, step), slice(left + first, right, step)
    chosen = mask.inner(label, part) if mask is not None and label else None
    if chosen is None or (np.count_nonzero(chosen) * step ** 2
                          < max(_LEAST_MASK, _LEAST_SHARE * area)):
        label, chosen = 0, np.zeros(surface.depth[part].shape, bool)
        rows, columns = (size // 4 for size in chosen.shape)
        chosen[rows:chosen.shape[0] - rows, columns:chosen.shape[1] - columns] = True
    rows, columns = (np.arange(*span.indices(side)) for span, side in zip(part, surface.size))
    return ObjectPixels(rows, columns, step, surface.depth[part], chosen, label)


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


def _find_seeds(looks: list[ObjectPixels | None], subjects: Subjects, rivals: list[np.ndarray],
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
            look.seed = anchored[index]
            if np.isnan(look.seed):
                sole = look.chosen.copy()
                for box in subjects.boxes[rivals[index]]:
                    sole[look.inside(box)] = False
                look.seed = _median_of(look, sole)
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


def _median_of(look: ObjectPixels, chosen: np.ndarray) -> float:
    """Return the median depth of some pixels, NaN where it is known of too few."""
    depths = look.depths[chosen]
    depths = depths[~np.isnan(depths)]
    enough = len(depths) and len(depths) >= _LEAST_KEPT / look.step ** 2
    return middle(np.sort(depths)) if enough else np.nan


def _yield_to(look: ObjectPixels, rivals: list[tuple[np.ndarray, float]]) -> None:
    """Give pixels to others of the class, in whose boxes they are, where these are nearer."""
    away = np.abs(look.depths - np.float32(look.seed))
    for box, seed in rivals:
        part = look.inside(box)
        look.chosen[part] &= ~(np.abs(look.depths[part] - np.float32(seed)) < away[part])


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
        deviation = _DEVIATION * middle(np.sort(np.abs(ordered - seed)))
        gate = min(max(tolerance, 3 * deviation), _WIDEST_GATE)
        kept = np.abs(depths - seed) <= gate
        near = ordered[np.abs(ordered - seed) <= gate]
        if not len(near):
            break
        seed = middle(near)
    return kept, seed, deviation, gate


def middle(ordered: np.ndarray) -> float:
    """Return the median of ascending values."""
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
