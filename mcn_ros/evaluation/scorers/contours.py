# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How well maps of lines tell where regions end, by the rules of BSDS500."""

from typing import Any, ClassVar, Mapping

import numpy as np

from mcn_ros.evaluation.scorers.contour_curve import (
    average_precision, best, best_column, count_matches, f_measure, narrow, recall_precision,
    thresholds)
from mcn_ros.evaluation.scorers.scorer import check_size, Figure, Scorer
from mcn_ros.structures import LineMap, RegionMap
from mcn_ros.tasks import Task

TOLERANCE = 0.0075  # of the image's diagonal
THRESHOLDS = thresholds(99)
FEW = thresholds(9)  # for the figure of one image


class ContoursScorer(Scorer):
    """
    F at the best threshold of all images, and of each, and the area below precision over recall.

    :param task: task that is scored.
    """

    MEANINGS: ClassVar[Mapping[str, str]] = {
        'ODS': 'F of the contours at the best threshold for all images',
        'OIS': 'F with the best threshold of each image',
        'AP': 'precision, mean over recall'}
    IMAGE_FIGURE: ClassVar[str] = 'F of the contours at the best of 9 thresholds'
    NOTE: ClassVar[str] = (
        'Contours: ridges of the map, thinned, are matched one to one with annotated pixels, at '
        f'most {TOLERANCE} of the diagonal away, at {len(THRESHOLDS)} thresholds; of several '
        'annotators, all are to be found, and any makes a pixel right.')

    def __init__(self, task: Task):
        super().__init__(task)
        self._counts = np.zeros((4, len(THRESHOLDS)), np.int64)
        self._best = np.zeros(4, np.int64)

    def nothing(self, annotation: RegionMap) -> LineMap:
        """Return no lines."""
        return annotation.contours().nothing()

    def measure(self, annotation: RegionMap, prediction: LineMap) -> np.ndarray:
        """Return the counts of one image, see :func:`count_matches`."""
        return _count(annotation, prediction, THRESHOLDS)

    def accumulate(self, measured: np.ndarray) -> None:
        """Add one image."""
        self._counts += measured
        self._best += best_column(measured)

    def result(self) -> dict[str, float | None]:
        """Return the scores; see ``MEANINGS``."""
        if not self._counts[1].any():
            return dict.fromkeys(self.MEANINGS)
        curve = recall_precision(self._counts)
        of_images = f_measure(*recall_precision(self._best[:, None]))
        return {'ODS': best(*curve, THRESHOLDS).f, 'OIS': float(of_images[0]),
                'AP': average_precision(*curve)}

    def details(self) -> dict[str, Any]:
        """Return 'threshold': the best for all images, with its 'recall' and 'precision'."""
        if not self._counts[1].any():
            return {}
        found = best(*recall_precision(self._counts), THRESHOLDS)
        return {'threshold': found.threshold, 'recall': found.recall,
                'precision': found.precision}

    def figure(self, annotation: RegionMap, prediction: LineMap) -> Figure:
        """Return F of one image, of few thresholds: many take long."""
        counts = best_column(_count(annotation, prediction, FEW))
        if not counts[1]:
            return Figure(None, '')
        value = float(f_measure(*recall_precision(counts[:, None]))[0])
        return Figure(value, f'F {value:.2f}')


def _count(annotation: RegionMap, prediction: LineMap, levels: np.ndarray) -> np.ndarray:
    """Return the counts of one image, see :func:`count_matches`."""
    check_size(annotation, prediction)
    contours = [each.contours().values for each in annotation.annotators]
    return count_matches(narrow(prediction.values), contours, TOLERANCE, levels)
