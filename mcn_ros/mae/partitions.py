# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How well two partitions of the same patches or pixels agree."""

import numpy as np

IGNORED = 255  # label of the truth where nobody knows
SMALLEST = 20  # pixels of a segment that counts


def contingency(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """
    Count how often each pair of labels is in the same place.

    :param first: labels, int of any shape.
    :param second: labels, of the same shape.
    :return: int64, one row per label of the first, one column per label of the second.
    """
    assert first.shape == second.shape
    rows, row = np.unique(first, return_inverse=True)
    columns, column = np.unique(second, return_inverse=True)
    index = row.ravel() * len(columns) + column.ravel()
    counts = np.bincount(index, minlength=len(rows) * len(columns))
    return counts.reshape(len(rows), len(columns))


def adjusted_rand_index(first: np.ndarray, second: np.ndarray) -> float:
    """
    Return how much more often pairs are together in both than by chance.

    Source: L. Hubert and P. Arabie, "Comparing partitions", Journal of Classification, 1985.

    :param first: labels, int of any shape.
    :param second: labels, of the same shape.
    :return: 1 for equal partitions, 0 for what chance gives.
    """
    counts = contingency(first, second)
    both, rows, columns, every = (_pairs(values) for values in (
        counts, counts.sum(axis=1), counts.sum(axis=0), counts.sum()))
    if every == 0:  # one place, or none
        return 1.0
    chance, most = rows * columns / every, (rows + columns) / 2
    return 1.0 if most == chance else float((both - chance) / (most - chance))


def best_match_iou(truth: np.ndarray, predicted: np.ndarray) -> float | None:
    """
    Return the mean over true segments of the IoU with the community that fits best.

    One community may serve several segments.

    :param truth: (H, W) int, a label per segment, 255 where it is not known.
    :param predicted: (H, W) int, labels of communities.
    :return: None if there is no segment of at least 20 pixels.
    """
    known = truth != IGNORED
    if not known.any():
        return None
    counts = contingency(truth[known], predicted[known])
    sizes = counts.sum(axis=1, keepdims=True)
    overlaps = counts / (sizes + counts.sum(axis=0) - counts)
    large = sizes[:, 0] >= SMALLEST
    return float(overlaps.max(axis=1)[large].mean()) if large.any() else None


def _pairs(counts: np.ndarray) -> float:
    counts = counts.astype(np.float64)
    return float((counts * (counts - 1) / 2).sum())
