# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scores of a predictor on an annotated data set."""

from collections.abc import Callable
from typing import Any, Mapping

from tqdm import tqdm

from mcn_ros.data.coco import CocoDataset
from mcn_ros.evaluation.scorers import Scorer, SCORERS, Scorers
from mcn_ros.runtime.predictor import Predictor
from mcn_ros.structures import Sample


def evaluate(predictor: Predictor, dataset: CocoDataset, progress: bool = True) -> dict[str, Any]:
    """
    Predict on every image of a data set and score each task on the images labelled for it.

    :param predictor: what is to be scored.
    :param dataset: images and annotations, read for the tasks of the predictor.
    :param progress: show a progress bar, if standard error is a terminal.
    :return: {task name: scores in 0..1, see the scorers; 'images': number of images}. A task for
        which no image is labelled is absent.
    """
    return score(predictor, dataset, progress).result()


def score(predictor: Predictor, dataset: CocoDataset, progress: bool = True,
          watch: Callable[[str, Sample, dict[str, Any]], None] | None = None,
          table: Mapping[type | str, type[Scorer]] = SCORERS) -> Scorers:
    """
    Do the work of :func:`evaluate`.

    :param watch: is given the file name of each image, its sample and what was predicted.
    :param table: of all scorers.
    """
    scorers = Scorers(predictor.tasks, table)
    records = tqdm(dataset.file.records, unit='image', disable=None if progress else True)
    for index, record in enumerate(records):
        sample = dataset[index]
        predictions = predictor(sample.image)
        scorers.add(predictions, sample.annotations)
        if watch:
            watch(record.file_name, sample, predictions)
    return scorers
