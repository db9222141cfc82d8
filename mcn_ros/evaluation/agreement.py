# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Agreement of two predictions of one image, such as those of the node and of the same weights.

Messages of objects carry all digits: their numbers of 64 bits hold boxes of 32 bits, and also
their centres and sizes, without rounding. Where messages round, RESULTS says by how much. Beyond
that, only the order of additions may differ (number of threads, algorithms of a GPU): tolerances
are far below what matters.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Mapping

import numpy as np

from mcn_ros.data.results import RESULTS
from mcn_ros.structures import select, Structure

PIXEL_TOLERANCE = 0.01  # tolerance of boxes and keypoints
SCORE_TOLERANCE = 1e-4  # and of all other numbers
LENGTHS = 'boxes', 'keypoints'


@dataclass
class Agreement:
    """
    Differences over the images that are added.

    :param frames: number of images.
    :param equal: images with the same objects, in the same order, within the tolerance.
    :param largest_px: largest difference of a box or keypoint where the objects are the same.
    :param largest_score: largest difference of a score, or of a number in a map, likewise.
    :param pixels: share of equal labels in maps of labels, None without.
    :param unequal: task -> number of images on which it differs.
    """

    frames: int = 0
    equal: int = 0
    largest_px: float = 0.0
    largest_score: float = 0.0
    pixels: float | None = None
    unequal: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        self._labels = np.zeros(2, np.int64)  # equal, all

    def add(self, recorded: Mapping[str, Any], predicted: Mapping[str, Any],
            threshold: float | None = None) -> None:
        """
        Compare the predictions of one image.

        :param recorded: task name -> prediction of the node.
        :param predicted: task name -> prediction of the same weights, best first, not thresholded.
        :param threshold: score below which the node publishes nothing. None if that is unknown:
            then its objects must be the best of those predicted, however many.
        """
        unequal = [name for name, value in recorded.items()
                   if not self._is_equal(value, _best(
                       RESULTS[type(value)].content(predicted[name]), value, threshold))]
        self.frames += 1
        self.equal += not unequal
        for name in unequal:
            self.unequal[name] = self.unequal.get(name, 0) + 1

    def result(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)

    def _is_equal(self, one: Structure, other: Structure) -> bool:
        # Ids do not come from the weights.
        pairs = {name: (getattr(one, name), getattr(other, name)) for name in one.ROWS
                 if name != 'ids'}
        pairs = {name: pair for name, pair in pairs.items() if pair[0] is not None}
        if any(left.shape != right.shape for left, right in pairs.values()):
            return False
        whole = [pairs.pop(name) for name in list(pairs) if pairs[name][0].dtype.kind != 'f']
        if one.size is not None and whole:
            self._labels += np.sum([((a == b).sum(), a.size) for a, b in whole], axis=0)
            self.pixels = float(self._labels[0] / self._labels[1])
        if not all(np.array_equal(*pair) for pair in whole):
            return False
        differences = {name: _difference(pair) for name, pair in pairs.items()}
        lengths = [differences.pop(name) for name in LENGTHS if name in differences]
        pixels = max(lengths, default=0.0)
        score = max(differences.values(), default=0.0)
        if np.isfinite(pixels + score):
            self.largest_px = max(self.largest_px, pixels)
            self.largest_score = max(self.largest_score, score)
        return pixels <= PIXEL_TOLERANCE and score <= SCORE_TOLERANCE + RESULTS[type(one)].rounding


def _best(predicted: Structure, recorded: Structure, threshold: float | None) -> Structure:
    """Return the objects that the node should have published; a map as it is."""
    if 'scores' not in predicted.ROWS:
        return predicted
    if threshold is None:
        return select(predicted, slice(len(recorded)))
    return select(predicted, predicted.scores >= threshold)


def _difference(pair: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the largest difference; infinite where only one of two numbers is NaN."""
    one, other = pair
    if not np.array_equal(np.isnan(one), np.isnan(other)):
        return float('inf')
    return float(np.nan_to_num(np.abs(one - other)).max(initial=0.0))
