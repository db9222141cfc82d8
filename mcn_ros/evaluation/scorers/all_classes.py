# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Intersection over union of class maps that are of interest only where there is any class.

The mean is over all classes, the background among them, whether they occur or not, as is usual for
the parts of people: K.-K. Maninis et al., "Attentive Single-Tasking of Multiple Tasks", CVPR 2019,
and their code.
"""

from typing import Any, ClassVar, Mapping

import numpy as np

from mcn_ros.evaluation.scorers.class_map import ClassMapScorer
from mcn_ros.evaluation.scorers.scorer import Figure
from mcn_ros.structures import ClassMap, IGNORE


class AllClassesScorer(ClassMapScorer):
    """
    IoU per class over the images that are added and have a pixel of any class.

    :param task: task whose classes the maps have; label c + 1 is class c.
    """

    MEANINGS: ClassVar[Mapping[str, str]] = {
        'mIoU': 'intersection over union, mean over all classes and the background; 0 of a class '
                'that does not occur',
        'mIoU_present': 'mean over those that occur',
        'mIoU_classes': 'mean over the classes that occur, without the background',
        'mIoU_background': 'mIoU of a guess: that all is background',
        'background': 'IoU of the background',
        'pixel_accuracy': 'share of right pixels, background included'}
    IMAGE_FIGURE: ClassVar[str] = (
        'the mean IoU of the background and the classes that are to be seen')

    def measure(self, annotation: ClassMap, prediction: ClassMap,
                ) -> tuple[np.ndarray, np.ndarray]:
        """Return what there is to count in one image: nothing, in one without any class."""
        if ((annotation.labels > 0) & (annotation.labels < IGNORE)).any():
            return super().measure(annotation, prediction)
        nothing = np.zeros(0, np.int64)
        return nothing, nothing

    def result(self) -> dict[str, Any]:
        """Return the scores."""
        scores = super().result()
        present = self.confusion.sum(axis=1)
        if not present.any():
            return {**dict.fromkeys(self.MEANINGS), 'per_class': {}}
        iou = np.diag(self.confusion) / np.maximum(self.union, 1)
        return {'mIoU': float(iou.mean()), 'mIoU_present': float(iou[present > 0].mean()),
                'mIoU_classes': scores['mIoU'],
                'mIoU_background': float(present[0] / present.sum() / len(iou)),
                **{name: scores[name] for name in ('background', 'pixel_accuracy', 'per_class')}}

    def figure(self, annotation: ClassMap, prediction: ClassMap) -> Figure:
        """Return the figure of one image, in which hardly ever all classes are."""
        return self._alone(annotation, prediction, 'mIoU_present')
