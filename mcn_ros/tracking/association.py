# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How alike objects are, by boxes and joints, and which of them belong together."""

from typing import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from mcn_ros.structures.boxes import box_areas, box_intersections

APART = 1e3  # costs more than any pairs that may be


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return (N, M) intersection over union of xyxy boxes (N, 4) and (M, 4)."""
    return overlaps_and_shares(boxes, others)[0]


def overlaps_and_shares(boxes: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return intersections over unions, and the shares of the smaller boxes in the others."""
    boxes, others = np.asarray(boxes, float), np.asarray(others, float)
    shared = box_intersections(boxes, others)
    areas, other_areas = box_areas(boxes)[:, None], box_areas(others)
    tiny = np.finfo(float).tiny
    return (shared / np.maximum(areas + other_areas - shared, tiny),
            shared / np.maximum(np.minimum(areas, other_areas), tiny))


def joint_similarity(joints: np.ndarray, others: np.ndarray, boxes: np.ndarray,
                     sigmas: Sequence[float]) -> np.ndarray:
    """
    Return (P,) object keypoint similarity of pairs of people, over the joints that both show.

    :param joints: (P, J, 2) of the ones; NaN where a joint is not seen.
    :param others: (P, J, 2) of the others.
    :param boxes: (P, 4) xyxy of the others, whose areas are the scale.
    :param sigmas: of the joints, see :class:`mcn_ros.vocabulary.Skeleton`.
    :return: 0 where no joint is seen in both.
    """
    apart = ((joints - others) ** 2).sum(axis=2)
    scale = 2 * np.maximum(box_areas(boxes), 1)[:, None] * (2 * np.asarray(sigmas)) ** 2
    seen = ~np.isnan(apart)
    similarity = np.exp(-np.where(seen, apart, 0) / scale) * seen
    return similarity.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)


def assign(cost: np.ndarray, possible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Pair rows with columns, as many as can be, at the least cost.

    :param cost: (N, M).
    :param possible: (N, M) bool, which may be paired.
    :return: (P,) rows in rising order, and (P,) their columns.
    """
    rows, columns = linear_sum_assignment(np.where(possible, cost, APART))
    keep = possible[rows, columns]
    return rows[keep], columns[keep]


def others(count: int, rows: np.ndarray) -> np.ndarray:
    """Return those of ``count`` rows that are not among some, in rising order."""
    left = np.ones(count, bool)
    left[rows] = False
    return np.flatnonzero(left)
