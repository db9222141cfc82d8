# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scores of a predictor on an annotated data set."""

from typing import Any

from tqdm import tqdm

from mcn_ros.data.coco import CocoDataset
from mcn_ros.evaluation.coco import BoxScorer, PoseScorer, read_ground_truth
from mcn_ros.evaluation.dense import ClassMapScorer
from mcn_ros.runtime.predictor import Predictor


def evaluate(predictor: Predictor, dataset: CocoDataset, progress: bool = True) -> dict[str, Any]:
    """
    Predict on every image of a data set and score each task on the images labelled for it.

    :param predictor: what is to be scored.
    :param dataset: images and annotations, read for the tasks of the predictor.
    :param progress: show a progress bar, if standard error is a terminal.
    :return: {task name: scores in 0..1, see the scorers; 'images': number of images}. A task for
        which no image is labelled is absent.
    """
    truth = read_ground_truth(dataset.file.path)
    scorers = {name: build(truth, predictor.tasks[name]) for name, build in _SCORERS.items()
               if name in predictor.tasks}
    scored = set()
    for index in tqdm(range(len(dataset)), unit='image', disable=None if progress else True):
        sample = dataset[index]
        predictions = predictor(sample.image)
        for name, annotation in sample.annotations.items():
            _add(scorers[name], dataset.ids[index], annotation, predictions[name])
            scored.add(name)
    results = {name: scorer.result() for name, scorer in scorers.items() if name in scored}
    return {**results, 'images': len(dataset)}


_SCORERS = {
    'detection': lambda truth, task: BoxScorer(truth, task.classes),
    'pose': lambda truth, task: PoseScorer(truth, task.joints),
    'segmentation': lambda truth, task: ClassMapScorer(task.classes),
}


def _add(scorer: BoxScorer | PoseScorer | ClassMapScorer, image_id: int, annotation: Any,
         prediction: Any):
    if isinstance(scorer, BoxScorer):
        scorer.add(image_id, prediction, annotation.labelled_classes)
    elif isinstance(scorer, PoseScorer):
        scorer.add(image_id, prediction)
    else:
        scorer.add(annotation, prediction)
