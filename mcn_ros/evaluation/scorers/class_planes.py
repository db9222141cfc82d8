# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""F of classes of which several may hold at a pixel, at the best threshold of each class."""

from typing import Any, ClassVar, Mapping

import numpy as np

from mcn_ros.evaluation.scorers.scalar_map import at_least, level_counts, LEVELS
from mcn_ros.evaluation.scorers.scorer import check_size, Scorer
from mcn_ros.structures import ClassPlanes
from mcn_ros.tasks import Task


class ClassPlanesScorer(Scorer):
    """
    F per class, of the pixels of all images that are added.

    :param task: task whose classes the planes have.
    """

    MEANINGS: ClassVar[Mapping[str, str]] = {
        'mF': 'F of all pixels at the best threshold of a class, mean over the classes that occur'}
    CLASS_SCORE: ClassVar[str] = 'F'
    AMOUNT: ClassVar[str] = 'pixels'
    IMAGE_FIGURE: ClassVar[str] = (
        'the mean of F, at the best thresholds, of the classes that are to be seen')

    def __init__(self, task: Task):
        super().__init__(task)
        self._counts = np.zeros((len(task.classes), 2, LEVELS), np.int64)

    def measure(self, annotation: ClassPlanes, prediction: ClassPlanes) -> np.ndarray:
        """
        Return :func:`level_counts` of each class, (classes, 2, levels), of one image.

        The planes of classes that are not labelled are unknown.
        """
        check_size(annotation, prediction)
        return np.stack([level_counts(truth, values) for truth, values in zip(
            annotation.planes, prediction.planes, strict=True)])

    def accumulate(self, measured: np.ndarray) -> None:
        """Add one image."""
        self._counts += measured

    def result(self) -> dict[str, Any]:
        """Return the scores."""
        wrong, right = at_least(self._counts).swapaxes(0, 1)
        total = right[:, :1]
        best = (2 * right / np.maximum(right + wrong + total, 1)).max(axis=1)
        per_class = {name: float(value) for name, value, present
                     in zip(self.task.classes, best, total[:, 0]) if present}
        return {'mF': float(np.mean(list(per_class.values()))) if per_class else None,
                'per_class': per_class}

    def details(self) -> dict[str, Any]:
        """Return 'pixels': class -> its share of the pixels of which it is known, 0..1."""
        _, yes = self._counts.sum(axis=2).T
        known = self._counts.sum(axis=(1, 2))
        return {'pixels': {name: float(count / of)
                           for name, count, of in zip(self.task.classes, yes, known) if count}}
