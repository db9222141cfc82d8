# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
How well planes of lines tell where regions of each class end.

B. Hariharan et al., "Semantic Contours from Inverse Detectors", ICCV 2011; the stricter rules of
Z. Yu et al., "Simultaneous Edge Alignment and Learning", ECCV 2018, are those of BSDS500 for each
class: false alarms count in every image, also inside of objects, and contours between two objects
of a class are contours.
"""

from typing import Any, ClassVar, Mapping

import numpy as np

from mcn_ros.evaluation.scorers.contour_curve import (
    average_precision, best, best_column, count_matches, f_measure, narrow, recall_precision,
    thresholds)
from mcn_ros.evaluation.scorers.scorer import check_size, Figure, Scorer
from mcn_ros.structures import ClassPlanes, IGNORE, RegionMap
from mcn_ros.tasks import Task

TOLERANCE = 0.02  # of the image's diagonal
BORDER = 5  # pixels at the border of an image that are left out
THRESHOLDS = thresholds(99)
FEW = thresholds(9)  # for the figure of one image


class ClassContoursScorer(Scorer):
    """
    F per class at its best threshold, and the area below precision over recall.

    :param task: task whose classes the planes have.
    """

    MEANINGS: ClassVar[Mapping[str, str]] = {
        'mMF': 'F of the contours at the best threshold of a class, mean over the classes that '
               'occur',
        'mAP': 'precision, mean over recall and over these classes',
        'mMF_present': 'the same as mMF, but false alarms count only in images with the class',
        'mAP_present': 'the same of mAP'}
    CLASS_SCORE: ClassVar[str] = 'MF'
    AMOUNT: ClassVar[str] = 'pixels'
    IMAGE_FIGURE: ClassVar[str] = (
        'the mean of F, at the best of 9 thresholds, of the contours of the classes that are to '
        'be seen')
    NOTE: ClassVar[str] = (
        'Contours of classes: ridges of a plane, thinned, are matched one to one with annotated '
        f'pixels, at most {TOLERANCE} of the diagonal away, at {len(THRESHOLDS)} thresholds, '
        f'without {BORDER} pixels at the border; pixels inside of objects and contours between '
        'objects of a class count.')

    def __init__(self, task: Task):
        super().__init__(task)
        # Of all images, and of those with the class.
        self._counts = np.zeros((2, len(task.classes), 4, len(THRESHOLDS)), np.int64)
        self._known = np.zeros(len(task.classes), np.int64)  # pixels

    def nothing(self, annotation: RegionMap) -> ClassPlanes:
        """Return no lines."""
        return annotation.class_contours(len(self.task.classes)).nothing()

    def measure(self, annotation: RegionMap, prediction: ClassPlanes,
                ) -> tuple[np.ndarray, np.ndarray]:
        """Return the counts of each class in one image, (C, 4, T), and its known pixels, (C,)."""
        check_size(annotation, prediction)
        planes = annotation.class_contours(len(self.task.classes)).planes
        counts = [_count(truth, values, THRESHOLDS)
                  for truth, values in zip(planes, prediction.planes, strict=True)]
        return np.stack(counts), (planes != IGNORE).sum(axis=(1, 2))

    def accumulate(self, measured: tuple[np.ndarray, np.ndarray]) -> None:
        """Add one image."""
        counts, known = measured
        self._counts[0] += counts
        self._counts[1] += counts * (counts[:, 1:2] > 0)
        self._known += known

    def result(self) -> dict[str, Any]:
        """Return the scores; see ``MEANINGS``."""
        classes = np.flatnonzero(self._counts[0, :, 1].any(axis=1))
        scores = []
        for counts in self._counts:
            curves = [recall_precision(counts[index]) for index in classes]
            scores += [[best(*curve, THRESHOLDS).f for curve in curves],
                       [average_precision(*curve) for curve in curves]]
        means = [float(np.mean(values)) if values else None for values in scores]
        per_class = {self.task.classes[index]: f for index, f in zip(classes, scores[0])}
        return {**dict(zip(self.MEANINGS, means)), 'per_class': per_class}

    def details(self) -> dict[str, Any]:
        """Return 'pixels': class -> share of its contours in the known pixels, 0..1."""
        of_class = self._counts[0, :, 1, 0]
        return {'pixels': {name: float(count / known) for name, count, known
                           in zip(self.task.classes, of_class, self._known) if count}}

    def figure(self, annotation: RegionMap, prediction: ClassPlanes) -> Figure:
        """Return the mean F of one image, of few thresholds: many take long."""
        check_size(annotation, prediction)
        found = []
        planes = annotation.class_contours(len(self.task.classes)).planes
        for truth, values in zip(planes, prediction.planes, strict=True):
            if (truth == 1).any():
                counts = best_column(_count(truth, values, FEW))
                found.append(f_measure(*recall_precision(counts[:, None]))[0])
        if not found:
            return Figure(None, '')
        value = float(np.mean(found))
        return Figure(value, f'F {value:.2f}')


def _count(truth: np.ndarray, values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the counts of one class in one image, see :func:`count_matches`."""
    if (truth == IGNORE).all():
        return np.zeros((4, len(levels)), np.int64)
    inside = np.zeros(truth.shape, bool)
    inside[BORDER:-BORDER, BORDER:-BORDER] = True
    return count_matches(narrow(values) * inside, [truth * inside], TOLERANCE, levels)
