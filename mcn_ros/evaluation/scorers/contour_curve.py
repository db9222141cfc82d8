# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Precision and recall of contours at many thresholds, and what is said of them.

P. Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", PAMI 2011, and the
benchmark code of BSDS500.
"""

from typing import NamedTuple, Sequence

import numpy as np

from mcn_ros.evaluation.scorers.matching import match
from mcn_ros.evaluation.scorers.thinning import thin
from mcn_ros.structures import IGNORE, ridges

LEVELS = 255  # maps are compared as images of 8 bits
STEPS = 100  # between two thresholds, at which F is taken
RECALLS = np.linspace(0, 1, 101)  # at which precision is taken


class Best(NamedTuple):
    """The highest F of a curve, with its recall, precision and threshold."""

    f: float
    recall: float
    precision: float
    threshold: float


def thresholds(count: int) -> np.ndarray:
    """Return so many thresholds, evenly between 0 and 1."""
    # To the last bit as the reference: levels of 8 bits can be equal to them.
    return np.linspace(1 / (count + 1), 1 - 1 / (count + 1), count)


def narrow(values: np.ndarray) -> np.ndarray:
    """Return the ridges of probabilities (H, W), in steps of 8 bits; float64."""
    narrowed = ridges.suppress(np.clip(values, 0, 1).astype(np.float32))
    return np.rint(narrowed * np.float32(LEVELS)).astype(float) / LEVELS


def count_matches(values: np.ndarray, contours: Sequence[np.ndarray], tolerance: float,
                  levels: np.ndarray) -> np.ndarray:
    """
    Count what is found of the contours of an image at each threshold.

    Contours are thinned, too, as those of BSDS500 are: a slanted one that follows the borders of
    pixels has steps, of which a line one pixel wide can never find all.

    :param values: (H, W) 0..1, ridges.
    :param contours: (H, W) uint8 of each annotator: 0 no, 1 yes, 255 unknown.
    :param tolerance: share of the image's diagonal that a pixel may be from its partner.
    :param levels: T thresholds, from the lowest on.
    :return: (4, T) int64: contour pixels found, by all annotators together; contour pixels; pixels
        of the map that are of any annotator's contour; pixels of the map, without those where it
        is unknown whether there is a contour.
    """
    lines = [thin(contour == 1) for contour in contours]
    known = np.logical_and.reduce([contour != IGNORE for contour in contours])
    radius, total = tolerance * np.hypot(*values.shape), sum(int(line.sum()) for line in lines)
    counts, before = np.zeros((4, len(levels)), np.int64), None
    for column, level in enumerate(levels):
        found = thin(values >= level)
        if before is not None and np.array_equal(found, before):
            counts[:, column] = counts[:, column - 1]
            continue
        matches = [match(found, line, radius) for line in lines]
        right = np.logical_or.reduce([mine for mine, _ in matches])
        counts[:, column] = (sum(int(theirs.sum()) for _, theirs in matches), total,
                             right.sum(), (right | found & known).sum())
        before = found
    return counts


def recall_precision(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return recall and precision of counts (4, T), each (T,); 0 where there is nothing."""
    found, of, right, all_found = counts
    return found / np.maximum(of, 1), right / np.maximum(all_found, 1)


def f_measure(recall: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Return the harmonic mean, 0 where both are."""
    total = recall + precision
    return 2 * recall * precision / np.where(total > 0, total, 1)


def best(recall: np.ndarray, precision: np.ndarray, levels: np.ndarray) -> Best:
    """Return the highest F of a curve over thresholds, also of what is between two of them."""
    if len(levels) > 1:
        share = np.linspace(0, 1, STEPS)
        recall, precision, levels = (
            (each[1:, None] * share + each[:-1, None] * (1 - share)).ravel()
            for each in (recall, precision, levels))
    f = f_measure(recall, precision)
    where = f.argmax()
    return Best(*(float(each[where]) for each in (f, recall, precision, levels)))


def best_column(counts: np.ndarray) -> np.ndarray:
    """Return the counts (4,) of the threshold with the highest F of counts (4, T)."""
    return counts[:, f_measure(*recall_precision(counts)).argmax()]


def average_precision(recall: np.ndarray, precision: np.ndarray) -> float:
    """
    Return the area below a curve over thresholds, from the lowest on.

    Outside of the recalls that occur, precision is 0: a curve of one recall has no area.
    """
    recalls, first = np.unique(recall, return_index=True)
    if len(recalls) < 2:
        return 0.0
    area = np.interp(RECALLS, recalls, precision[first], left=0, right=0).sum()
    return float(area * (RECALLS[1] - RECALLS[0]))
