# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Angles between predicted and annotated directions, over the known pixels of all images."""

from typing import ClassVar, Mapping

import numpy as np

from mcn_ros.evaluation.scorers.scorer import check_size, Figure, Scorer
from mcn_ros.structures import VectorMap
from mcn_ros.tasks import Task

LIMITS = {'below_11.25': 11.25, 'below_22.5': 22.5, 'below_30': 30.0}  # degrees
BINS = 100  # per degree, of the histogram that the median is read from
SMALLEST = 1e-6  # a shorter vector has no direction

# Bins of the histogram that are not empty, their counts, how many angles are below each limit,
# and the sums of angles, of their squares and of those of the guess.
Statistics = tuple[np.ndarray, np.ndarray, list[int], list[float]]


class VectorMapScorer(Scorer):
    """
    Statistics of the angles over the images that are added.

    :param task: task that is scored.
    """

    MEANINGS: ClassVar[Mapping[str, str]] = {
        'mean': 'angle in degrees', 'median': 'to a hundredth of a degree',
        'RMSE': 'root of the mean square',
        **{name: f'share of pixels below {limit:g} degrees' for name, limit in LIMITS.items()},
        'mean_facing': 'mean of a guess: that everything faces the camera'}
    ERRORS: ClassVar[frozenset[str]] = frozenset({'mean', 'median', 'RMSE', 'mean_facing'})
    IMAGE_FIGURE: ClassVar[str] = 'the share of pixels with an angle below 22.5 degrees'

    def __init__(self, task: Task):
        super().__init__(task)
        self._histogram = np.zeros(180 * BINS + 1, np.int64)
        self._below = np.zeros(len(LIMITS), np.int64)
        self._sums = np.zeros(3)  # of angles, their squares, and those of the guess

    def measure(self, annotation: VectorMap, prediction: VectorMap) -> Statistics:
        """Return the statistics of one image."""
        check_size(annotation, prediction)
        return statistics(_angles(annotation, prediction),
                          _angles(annotation, annotation.nothing()))

    def accumulate(self, measured: Statistics) -> None:
        """Add one image."""
        bins, counts, below, sums = measured
        self._histogram[bins] += counts
        self._below += below
        self._sums += sums

    def result(self) -> dict[str, float | None]:
        """Return the scores: errors in degrees, shares in 0..1."""
        count = int(self._histogram.sum())
        if not count:
            return dict.fromkeys(self.MEANINGS)
        # Of an even number of angles the median is the mean of the two in the middle.
        middle = np.searchsorted(self._histogram.cumsum(), [(count + 1) // 2, count // 2 + 1])
        mean, square, guess = (self._sums / count).tolist()
        return {'mean': mean, 'median': float(middle.mean() / BINS), 'RMSE': square ** 0.5,
                **dict(zip(LIMITS, (self._below / count).tolist())), 'mean_facing': guess}

    def figure(self, annotation: VectorMap, prediction: VectorMap) -> Figure:
        """Return a share of one image: the score of the task may be an error."""
        return self._alone(annotation, prediction, 'below_22.5')


def statistics(angles: np.ndarray, guessed: np.ndarray) -> Statistics:
    """Return the statistics of pixels: of (N,) angles in degrees, and (N,) those of the guess."""
    bins, counts = np.unique(np.rint(angles * BINS).astype(np.int64), return_counts=True)
    below = [int((angles < limit).sum()) for limit in LIMITS.values()]
    return bins, counts, below, [
        float(values.sum()) for values in (angles, np.square(angles), guessed)]


def _angles(annotation: VectorMap, prediction: VectorMap) -> np.ndarray:
    """Return the angles, (N,) degrees, of the known pixels; 90 where there is no direction."""
    known = ~np.isnan(annotation.vectors).any(axis=2)
    one, other = (np.nan_to_num(vector_map.vectors[known].astype(float))
                  for vector_map in (annotation, prediction))
    lengths = [np.maximum(np.linalg.norm(v, axis=1), SMALLEST) for v in (one, other)]
    cosine = (one * other).sum(axis=1) / (lengths[0] * lengths[1])
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))
