# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scores of a predictor on an annotated data set."""

from collections.abc import Callable
from typing import Any, Mapping

from tqdm import tqdm

from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.each import Each
from mcn_ros.evaluation.scorers import Scorer, SCORERS, Scorers
from mcn_ros.runtime.predictor import Predictor
from mcn_ros.structures import Sample


def evaluate(predictor: Predictor, dataset: CocoDataset, progress: bool = True,
             each: Each = map) -> dict[str, Any]:
    """
    Predict on every image of a data set and score each task on the images labelled for it.

    :param predictor: what is to be scored.
    :param dataset: images and annotations, read for the tasks of the predictor.
    :param progress: show a progress bar, if standard error is a terminal.
    :param each: shares the images with other processes; where it yields nothing, there are no
        scores.
    :return: {task name: scores in 0..1, see the scorers; 'images': number of images}. A task for
        which no image is labelled is absent.
    """
    return score(predictor, dataset, progress, each=each).result()


def score(predictor: Predictor, dataset: CocoDataset, progress: bool = True,
          watch: Callable[[int, Sample, dict[str, Any]], None] | None = None,
          table: Mapping[type | str, type[Scorer]] = SCORERS, each: Each = map) -> Scorers:
    """
    Do the work of :func:`evaluate`.

    :param watch: is given the number of each image that this process looks at, its sample and
        what was predicted.
    :param table: of all scorers.
    """
    scorers = Scorers(predictor.tasks, table)

    def measure(index: int) -> dict[str, Any]:
        sample = dataset[index]
        predictions = predictor(sample.image)
        if watch:
            watch(index, sample, predictions)
        return scorers.measure(predictions, sample.annotations)

    for measured in tqdm(each(measure, range(len(dataset))), unit='image', total=len(dataset),
                         disable=None if progress else True):
        scorers.accumulate(measured)
    return scorers
