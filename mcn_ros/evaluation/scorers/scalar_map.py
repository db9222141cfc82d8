# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
How well maps of a number in 0..1 tell what belongs from what does not: max F and mean error.

R. Achanta et al., "Frequency-tuned Salient Region Detection", CVPR 2009, has F with beta squared
0.3. Precision and recall are means over the images at each threshold before F is taken of them;
the mean of the images' own F is another number.
"""

from typing import ClassVar, Mapping

import numpy as np

from mcn_ros.evaluation.scorers.scorer import check_size, Scorer
from mcn_ros.structures import IGNORE, ScalarMap
from mcn_ros.tasks import Task

LEVELS = 256  # thresholds: maps are compared as images of 8 bits
BETA_SQUARED = 0.3


class ScalarMapScorer(Scorer):
    """
    Max F and mean absolute error over the images that are added.

    :param task: task that is scored.
    """

    MEANINGS: ClassVar[Mapping[str, str]] = {
        'maxF': 'F (beta squared 0.3) of mean precision and mean recall, at the best threshold',
        'MAE': 'absolute error, mean over the images'}
    ERRORS: ClassVar[frozenset[str]] = frozenset({'MAE'})
    IMAGE_FIGURE: ClassVar[str] = 'the maximum over thresholds of F (beta squared 0.3)'

    def __init__(self, task: Task):
        super().__init__(task)
        self._precision, self._recall = np.zeros((2, LEVELS))
        self._with_positives = 0
        self._errors: list[float] = []

    def measure(self, annotation: ScalarMap, prediction: ScalarMap) -> np.ndarray:
        """Return :func:`level_counts` of one image."""
        check_size(annotation, prediction)
        return level_counts(annotation.values, prediction.values)

    def accumulate(self, measured: np.ndarray) -> None:
        """Add one image; one in which nothing belongs has no recall, and counts for MAE only."""
        no, yes = measured
        total = no.sum() + yes.sum()
        if not total:
            return
        levels = np.arange(LEVELS) / (LEVELS - 1)
        self._errors.append(float((no @ levels + yes @ (1 - levels)) / total))
        if yes.any():
            right, wrong = at_least(yes), at_least(no)
            self._precision += right / np.maximum(right + wrong, 1)
            self._recall += right / yes.sum()
            self._with_positives += 1

    def result(self) -> dict[str, float | None]:
        """Return the scores; see ``MEANINGS``."""
        best = None
        if self._with_positives:
            precision, recall = (sums / self._with_positives
                                 for sums in (self._precision, self._recall))
            weighted = BETA_SQUARED * precision + recall
            # Recall is 0 only where precision is, too.
            best = float(((1 + BETA_SQUARED) * precision * recall
                          / np.where(weighted > 0, weighted, 1)).max())
        return {'maxF': best, 'MAE': float(np.mean(self._errors)) if self._errors else None}


def level_counts(truth: np.ndarray, values: np.ndarray) -> np.ndarray:
    """
    Count the known pixels.

    :param truth: uint8: 0 no, 1 yes, 255 unknown.
    :param values: the prediction, 0..1, in the same shape.
    :return: (2, 256) int64: of those that are not, and those that are, how many have each level.
    """
    known = truth != IGNORE
    levels = np.rint(np.clip(values[known], 0, 1) * np.float32(LEVELS - 1)).astype(np.int64)
    pairs = LEVELS * truth[known].astype(np.int64) + levels
    return np.bincount(pairs, minlength=2 * LEVELS).reshape(2, LEVELS)


def at_least(counts: np.ndarray) -> np.ndarray:
    """Return how many have at least each level, from how many have it, (.., 256)."""
    return counts[..., ::-1].cumsum(axis=-1)[..., ::-1]
