# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Average precision of boxes."""

from typing import Any, ClassVar, Iterator, Mapping

import numpy as np

from mcn_ros.evaluation.scorers.average_precision import (
    AveragePrecision, curves, Entries, precision_plot)
from mcn_ros.evaluation.scorers.matches import match_boxes, OVERLAP
from mcn_ros.evaluation.scorers.scorer import Figure, Plot, Scorer
from mcn_ros.structures import area_rows, crowd_rows, Instances
from mcn_ros.tasks import Task


class InstancesScorer(Scorer):
    """
    Box AP over the images that are added.

    :param task: task whose classes the objects have.
    """

    MEANINGS: ClassVar[Mapping[str, str]] = {
        'AP': 'average precision, mean over overlaps .50 to .95',
        'AP50': 'at overlap .50', 'AP75': 'at overlap .75',
        'APs': 'small ones, area below 32 x 32 pixels', 'APm': 'medium ones',
        'APl': 'large ones, area above 96 x 96 pixels',
        'AR1': 'average recall with one prediction per image and class',
        'AR10': 'with ten predictions', 'AR': 'average recall with all predictions',
        'ARs': 'small ones', 'ARm': 'medium ones', 'ARl': 'large ones'}
    PRECISION: ClassVar[type[AveragePrecision]] = AveragePrecision
    CLASS_SCORE: ClassVar[str] = 'AP'
    AMOUNT: ClassVar[str] = 'objects'
    IMAGE_FIGURE: ClassVar[str] = (
        f'the F1 score of its objects (right are boxes of the same class with an IoU of {OVERLAP} '
        'or more)')

    def __init__(self, task: Task):
        super().__init__(task)
        self._precision = self.PRECISION('bbox', len(task.classes))

    def measure(self, annotation: Instances, prediction: Instances) -> Entries:
        """
        Return the annotated and the predicted objects of one image.

        Of a class that the annotation does not label, neither annotations nor predictions count.

        :param prediction: N objects in camera pixels, any number of them, in any order.
        """
        labelled = np.ones(len(self.task.classes), bool)
        if annotation.labelled_classes is not None:
            labelled = np.asarray(annotation.labelled_classes)
        return (list(self._annotations(annotation, labelled)),
                list(self._predictions(prediction, labelled)))

    def accumulate(self, measured: Entries) -> None:
        """Add one image."""
        self._precision.add(*measured)

    def _annotations(self, annotation: Instances, labelled: np.ndarray,
                     ) -> Iterator[dict[str, Any]]:
        boxes = self._precision.boxes(annotation.boxes)
        for box, index, area, crowd in zip(boxes, annotation.classes.tolist(),
                                           area_rows(annotation), crowd_rows(annotation)):
            if labelled[index]:
                yield {'category_id': index + 1, 'bbox': box, 'area': float(area),
                       'iscrowd': int(crowd)}

    def _predictions(self, prediction: Instances, labelled: np.ndarray,
                     ) -> Iterator[dict[str, Any]]:
        boxes = self._precision.boxes(prediction.boxes)
        scores = self._precision.numbers(prediction.scores)
        for box, index, score in zip(boxes, prediction.classes.tolist(), scores):
            if labelled[index]:
                yield {'category_id': index + 1, 'bbox': box, 'area': box[2] * box[3],
                       'score': score}

    def result(self) -> dict[str, Any]:
        """Return the scores; AP and AR are means over the classes."""
        precision = self._precision.precision(self.task.classes)
        return {**self._precision.scores(InstancesScorer.MEANINGS), 'per_class': {
            name: float(values[values > -1].mean()) for name, values in precision.items()}}

    def details(self) -> dict[str, Any]:
        """
        Return what is behind the scores.

        :return: 'precision': 'all' (mean over the classes) and each class with objects -> overlap
            ('.50', '.75', 'mean' over .50 to .95) -> precision at recall 0, 0.01 .. 1;
            'objects': class -> how many are annotated, crowds aside.
        """
        precision = self._precision.precision(self.task.classes)
        if precision:
            precision = {'all': np.mean(list(precision.values()), axis=0), **precision}
        return {'precision': {name: curves(values) for name, values in precision.items()},
                'objects': self._precision.objects(self.task.classes)}

    @classmethod
    def plots(cls, details: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Plot]:
        """Draw precision over recall."""
        return precision_plot(details, others, 'IoU')

    def figure(self, annotation: Instances, prediction: Instances) -> Figure:
        """Return the F1 score of one image."""
        return match_boxes(prediction, annotation).figure
