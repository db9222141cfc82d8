# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Intersection over union of class maps, from one confusion matrix over all images.

The mean is over the classes that occur in the ground truth, background not among them: its large
area would flatter the mean, so it is reported apart.
"""

from typing import Any, Sequence

import numpy as np

from mcn_ros.structures import ClassMap, IGNORE


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, num_labels: int) -> np.ndarray:
    """
    Count how often each pair of labels meets.

    :param truth: array of labels 0..num_labels-1, or 255 where the pixel does not count.
    :param prediction: labels 0..num_labels-1 in the same shape.
    :param num_labels: number of labels, background included.
    :return: (num_labels, num_labels) int64; row: true label, column: predicted label.
    """
    assert truth.shape == prediction.shape, (truth.shape, prediction.shape)
    known = truth != IGNORE
    truth, prediction = truth[known].astype(np.int64), prediction[known]
    assert max(truth.max(initial=0), prediction.max(initial=0)) < num_labels
    pairs = num_labels * truth + prediction
    counts = np.bincount(pairs, minlength=num_labels ** 2)
    return counts.reshape(num_labels, num_labels)


class ClassMapScorer:
    """
    IoU per class over the images that are added.

    :param classes: class names; label c + 1 is class c.
    """

    def __init__(self, classes: Sequence[str]):
        self._classes = tuple(classes)
        self.confusion = np.zeros((len(classes) + 1,) * 2, np.int64)

    def add(self, truth: ClassMap, prediction: ClassMap):
        """
        Add one image.

        Where the ground truth labels some classes only, its background says "none of these": a
        prediction of any other class agrees with that, and counts as background.

        :param truth: (H, W) labels, 255 where unknown.
        :param prediction: (H, W) labels of the same image.
        """
        labels = prediction.labels
        if truth.labelled_classes is not None:
            meaning = np.arange(len(self.confusion), dtype=labels.dtype)
            meaning[1:][~np.asarray(truth.labelled_classes)] = 0
            labels = meaning[labels]
        self.confusion += confusion_matrix(truth.labels, labels, len(self.confusion))

    def result(self) -> dict[str, Any]:
        """
        Return the scores, 0..1.

        :return: 'mIoU', 'background' (IoU) and 'pixel_accuracy' (background included), None where
            there is nothing to score; 'per_class': class -> IoU, without the classes that do not
            occur in the ground truth.
        """
        correct = np.diag(self.confusion)
        present = self.confusion.sum(axis=1)
        union = present + self.confusion.sum(axis=0) - correct
        iou = [float(c / u) if p else None for c, u, p in zip(correct, union, present)]
        per_class = {name: value for name, value in zip(self._classes, iou[1:])
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
                           for name, count in zip(self._classes, present[1:]) if count}}
