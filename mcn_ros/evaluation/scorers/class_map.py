# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Intersection over union of class maps, from one confusion matrix over all images.

The mean is over the classes that occur in the ground truth, background not among them: its large
area would flatter the mean, so it is reported apart.
"""

from typing import Any, ClassVar, Mapping

import numpy as np

from mcn_ros.evaluation.scorers.scorer import check_size, Scorer
from mcn_ros.structures import ClassMap, IGNORE
from mcn_ros.tasks import Task


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, num_labels: int) -> np.ndarray:
    """
    Count how often each pair of labels meets.

    :param truth: array of labels 0..num_labels-1, or 255 where the pixel does not count.
    :param prediction: labels 0..num_labels-1 in the same shape.
    :param num_labels: number of labels, background included.
    :return: (num_labels, num_labels) int64; row: true label, column: predicted label.
    """
    known = truth != IGNORE
    truth, prediction = truth[known].astype(np.int64), prediction[known]
    assert max(truth.max(initial=0), prediction.max(initial=0)) < num_labels
    pairs = num_labels * truth + prediction
    counts = np.bincount(pairs, minlength=num_labels ** 2)
    return counts.reshape(num_labels, num_labels)


class ClassMapScorer(Scorer):
    """
    IoU per class over the images that are added.

    :param task: task whose classes the maps have; label c + 1 is class c.
    """

    MEANINGS: ClassVar[Mapping[str, str]] = {
        'mIoU': 'intersection over union, mean over the classes that occur',
        'background': 'IoU of the background',
        'pixel_accuracy': 'share of right pixels, background included'}
    CLASS_SCORE: ClassVar[str] = 'IoU'
    AMOUNT: ClassVar[str] = 'pixels'
    IMAGE_FIGURE: ClassVar[str] = 'the mean IoU of the classes that are to be seen'

    def __init__(self, task: Task):
        super().__init__(task)
        self.confusion = np.zeros((len(task.classes) + 1,) * 2, np.int64)

    def measure(self, annotation: ClassMap, prediction: ClassMap,
                ) -> tuple[np.ndarray, np.ndarray]:
        """
        Return where the confusion matrix of one image is not zero, and what is there.

        Where the annotation labels some classes only, its background says "none of these": a
        prediction of any other class agrees with that, and counts as background.
        """
        check_size(annotation, prediction)
        labels = prediction.labels
        if annotation.labelled_classes is not None:
            meaning = np.arange(len(self.confusion), dtype=labels.dtype)
            meaning[1:][~np.asarray(annotation.labelled_classes)] = 0
            labels = meaning[labels]
        counts = confusion_matrix(annotation.labels, labels, len(self.confusion)).ravel()
        met = np.flatnonzero(counts)
        return met, counts[met]

    def accumulate(self, measured: tuple[np.ndarray, np.ndarray]) -> None:
        """Add one image."""
        met, counts = measured
        self.confusion.reshape(-1)[met] += counts

    @property
    def union(self) -> np.ndarray:
        """Return of how many pixels each label is the true one, the predicted one or both."""
        one, other = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return one + other - np.diag(self.confusion)

    def result(self) -> dict[str, Any]:
        """Return the scores."""
        correct, present = np.diag(self.confusion), self.confusion.sum(axis=1)
        iou = [float(c / u) if p else None for c, u, p in zip(correct, self.union, present)]
        per_class = {name: value for name, value in zip(self.task.classes, iou[1:])
                     if value is not None}
        total = present.sum()
        return {'mIoU': float(np.mean(list(per_class.values()))) if per_class else None,
                'background': iou[0],
                'pixel_accuracy': float(correct.sum() / total) if total else None,
                'per_class': per_class}

    def details(self) -> dict[str, Any]:
        """
        Return what is behind the scores.

        :return: 'pixels': class -> its share of the pixels that are labelled, 0..1, without the
            classes that do not occur.
        """
        present = self.confusion.sum(axis=1)
        return {'pixels': {name: float(count / present.sum())
                           for name, count in zip(self.task.classes, present[1:]) if count}}
