# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scores of all tasks at once, wherever images, predictions and annotations come from."""

from pathlib import Path
from typing import Any, Mapping

from mcn_ros.evaluation.coco import BoxScorer, PoseScorer
from mcn_ros.evaluation.dense import ClassMapScorer
from mcn_ros.evaluation.ground_truth import read_ground_truth


class Scorers:
    """
    The scorers of several tasks, each over the images that are labelled for it.

    :param ground_truth: path or content of a COCO annotation file, or task name -> content where
        each task has its own; a task without is not scored.
    :param tasks: task name -> task whose predictions are scored.
    :param reference: round as CenterNet does, see the scorers of :mod:`mcn_ros.evaluation.coco`.
    """

    def __init__(self, ground_truth: Path | str | Mapping[str, Any], tasks: Mapping[str, Any],
                 reference: bool = False):
        if not isinstance(ground_truth, Mapping):
            ground_truth = read_ground_truth(ground_truth)
        if 'images' in ground_truth:
            ground_truth = dict.fromkeys(_SCORERS, ground_truth)
        self._scorers = {name: build(ground_truth[name], tasks[name], reference)
                         for name, build in _SCORERS.items()
                         if name in tasks and name in ground_truth}
        self._scored: set[str] = set()
        self._images = 0

    def add(self, image_id: int, predictions: Mapping[str, Any] | None,
            annotations: Mapping[str, Any]) -> None:
        """
        Add one image.

        :param image_id: id of the image in the annotation file.
        :param predictions: task name -> prediction in camera pixels. None, as a task that is not
            there, means that nobody has looked: all that is annotated was missed.
        :param annotations: task name -> annotation in camera pixels, as
            :class:`mcn_ros.data.coco.CocoAnnotations` reads them.
        :raises ValueError: if the image is not in the file, or was added before.
        """
        for name, annotation in annotations.items():
            if name in self._scorers:
                prediction = (predictions or {}).get(name)
                _add(self._scorers[name], image_id, annotation,
                     annotation.nothing() if prediction is None else prediction)
                self._scored.add(name)
        self._images += 1

    def result(self) -> dict[str, Any]:
        """
        Return the scores.

        :return: {task name: scores in 0..1, see the scorers; 'images': number of images}. A task
            for which no image is labelled is absent.
        """
        scores = {name: scorer.result() for name, scorer in self._scorers.items()
                  if name in self._scored}
        return {**scores, 'images': self._images}

    def details(self) -> dict[str, Any]:
        """Return {task name: what is behind its scores, see the scorers}."""
        return {name: scorer.details() for name, scorer in self._scorers.items()
                if name in self._scored}


_SCORERS = {
    'detection': lambda truth, task, reference: BoxScorer(truth, task.classes, reference),
    'pose': lambda truth, task, reference: PoseScorer(truth, task.joints, reference),
    'segmentation': lambda truth, task, reference: ClassMapScorer(task.classes),
}


def _add(scorer: BoxScorer | PoseScorer | ClassMapScorer, image_id: int, annotation: Any,
         prediction: Any) -> None:
    if isinstance(scorer, BoxScorer):
        scorer.add(image_id, prediction, annotation.labelled_classes)
    elif isinstance(scorer, PoseScorer):
        scorer.add(image_id, prediction)
    else:
        scorer.add(annotation, prediction)


def score_text(score: float | None) -> str:
    """Return a score as text, '-' for one that does not exist: there is nothing to score."""
    return '-' if score is None else f'{score:.3f}'
