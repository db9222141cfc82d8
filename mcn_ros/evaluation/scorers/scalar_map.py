# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
How well maps of a number in 0..1 tell what belongs from what does not: max F and mean error.

R. Achanta et al., "Frequency-tuned Salient Region Detection", CVPR 2009, has F with beta squared
0.3. Precision and recall are means over the images at each threshold before F is taken of them;
the mean of the images' own F is another number, which some benchmarks report.
"""

from typing import ClassVar, Mapping

import numpy as np

from mcn_ros.evaluation.scorers.scorer import check_size, Scorer
from mcn_ros.geometry import Size
from mcn_ros.structures import IGNORE, ScalarMap
from mcn_ros.tasks import Task

LEVELS = 256  # thresholds: maps are compared as images of 8 bits
BETA_SQUARED = 0.3
SIGMA = 0.35  # of the guess, in halves of the image's diagonal


class ScalarMapScorer(Scorer):
    """
    Max F and mean absolute error over the images that are added.

    :param task: task that is scored.
    """

    MEANINGS: ClassVar[Mapping[str, str]] = {
        'maxF': 'F (beta squared 0.3) of mean precision and mean recall, at the best threshold',
        'maxF_mean': "mean of the images' own F, at the best threshold for all",
        'MAE': 'absolute error, mean over the images',
        'maxF_center': 'maxF of a guess: that it is in the middle of the image',
        'MAE_center': 'MAE of that guess'}
    ERRORS: ClassVar[frozenset[str]] = frozenset({'MAE', 'MAE_center'})
    IMAGE_FIGURE: ClassVar[str] = 'the maximum over thresholds of F (beta squared 0.3)'

    def __init__(self, task: Task):
        super().__init__(task)
        self._predicted, self._guessed = _Curves(), _Curves()

    def measure(self, annotation: ScalarMap, prediction: ScalarMap,
                ) -> tuple[np.ndarray, np.ndarray]:
        """Return :func:`level_counts` of one image, of the prediction and of a guess."""
        check_size(annotation, prediction)
        return (level_counts(annotation.values, prediction.values),
                level_counts(annotation.values, _middle(annotation.values.shape)))

    def accumulate(self, measured: tuple[np.ndarray, np.ndarray]) -> None:
        """Add one image; one in which nothing belongs has no recall, and counts for MAE only."""
        for curves, counts in zip((self._predicted, self._guessed), measured):
            curves.add(counts)

    def result(self) -> dict[str, float | None]:
        """Return the scores; see ``MEANINGS``."""
        of, guess = self._predicted, self._guessed
        return dict(zip(self.MEANINGS, (of.max_f, of.max_mean_f, of.error, guess.max_f,
                                        guess.error)))


class _Curves:
    """Precision, recall and F over the thresholds, and errors, summed over images."""

    def __init__(self):
        self._precision, self._recall, self._f = np.zeros((3, LEVELS))
        self._with_positives = 0
        self._errors: list[float] = []

    def add(self, counts: np.ndarray) -> None:
        """Add one image, of which these are the :func:`level_counts`."""
        no, yes = counts
        total = no.sum() + yes.sum()
        if not total:
            return
        levels = np.arange(LEVELS) / (LEVELS - 1)
        self._errors.append(float((no @ levels + yes @ (1 - levels)) / total))
        if yes.any():
            right, wrong = at_least(yes), at_least(no)
            precision, recall = right / np.maximum(right + wrong, 1), right / yes.sum()
            self._precision += precision
            self._recall += recall
            self._f += _f(precision, recall)
            self._with_positives += 1

    @property
    def max_f(self) -> float | None:
        """Return the highest F of mean precision and mean recall."""
        count = self._with_positives
        return float(_f(self._precision / count, self._recall / count).max()) if count else None

    @property
    def max_mean_f(self) -> float | None:
        """Return the highest mean of F."""
        return float(self._f.max() / self._with_positives) if self._with_positives else None

    @property
    def error(self) -> float | None:
        """Return the mean absolute error."""
        return float(np.mean(self._errors)) if self._errors else None


def _f(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    weighted = BETA_SQUARED * precision + recall
    # Recall is 0 only where precision is, too.
    return (1 + BETA_SQUARED) * precision * recall / np.where(weighted > 0, weighted, 1)


def _middle(size: Size) -> np.ndarray:
    """Return a map (H, W) that is 1 in the middle, and falls to the corners as a Gaussian."""
    half = np.array(size) / 2
    rows, columns = ((np.arange(side) + 0.5 - side / 2) ** 2 for side in size)
    return np.exp(-(rows[:, None] + columns) / (2 * SIGMA ** 2 * (half @ half)))


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
