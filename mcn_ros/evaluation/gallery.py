# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of predictions beside the ground truth: the images understood best and worst."""

from dataclasses import dataclass
from typing import Any, Mapping

import cv2
import numpy as np

from mcn_ros.evaluation.dense import ClassMapScorer
from mcn_ros.evaluation.matches import match_boxes, match_poses, OVERLAP
from mcn_ros.geometry import scaling, warp_image
from mcn_ros.structures import ClassMap, Instances, Poses, select
from mcn_ros.visualization import draw

SCORE_THRESHOLD = 0.3  # that of the node; drawn, and counted, is what is more certain
LONG_SIDE = 640
JPEG_QUALITY = 78

RANKED = 'Best images', 'Worst images'
RANKING = f"""\
The figure of an image is the mean of what can be said of it: the F1 score of its objects (right
are boxes of the same class with an IoU of {OVERLAP} or more), the F1 score of its poses (right are
those with an OKS of {OVERLAP} or more) and the mean IoU of the classes that are to be seen. Drawn,
and counted as found or false, is what has a score of {SCORE_THRESHOLD} or more. An image in which
there is nothing to find, and nothing was found, has no figure."""


@dataclass(frozen=True)
class Picture:
    """
    An image for people, or several of the same scene side by side.

    :param title: short, such as the name of a file.
    :param caption: a sentence below.
    :param images: what an image shows -> JPEG.
    """

    title: str
    caption: str
    images: Mapping[str, bytes]


def picture(title: str, image: np.ndarray, predictions: Mapping[str, Any],
            tasks: Mapping[str, Any], annotations: Mapping[str, Any] | None = None,
            caption: str = '') -> Picture:
    """
    Draw predictions, and annotations beside them where there are any.

    :param image: (H, W, 3) uint8 RGB; drawn at most ``LONG_SIDE`` pixels long.
    :param predictions: task name -> prediction in the pixels of the image.
    :param tasks: task name -> task, whose classes are named.
    :param annotations: task name -> annotation in the pixels of the image.
    """
    scale = min(1.0, LONG_SIDE / max(image.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in image.shape[:2])
    affine = scaling(scale)
    small = warp_image(image, affine, size)
    names = {name: task.classes for name, task in tasks.items()}
    sides = {'prediction': predictions}
    if annotations is not None:
        # Of a task that nobody has labelled there is nothing to compare with.
        sides = {'prediction': {k: v for k, v in predictions.items() if k in annotations},
                 'annotation': annotations}
    return Picture(title, caption, {
        side: _jpeg(draw(small, {name: value.warp(affine, size) for name, value in shown.items()},
                         names, SCORE_THRESHOLD))
        for side, shown in sides.items()})


def _jpeg(image: np.ndarray) -> bytes:
    quality = cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY
    return cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1].tobytes()


class Gallery:
    """
    The best and the worst of the images that are added, see ``RANKING``.

    :param tasks: task name -> task whose predictions are shown.
    :param count: how many images of each.
    """

    def __init__(self, tasks: Mapping[str, Any], count: int = 6):
        self._tasks = tasks
        self._count = count
        self._added = 0
        # Rank, number of the image and its picture: the first ones are the best or the worst.
        self._best: list[tuple[tuple[float, int], int, Picture]] = []
        self._worst: list[tuple[tuple[float, int], int, Picture]] = []

    def add(self, title: str, image: np.ndarray, predictions: Mapping[str, Any],
            annotations: Mapping[str, Any]) -> None:
        """
        Add an image; it is drawn only if it is among the best or worst so far.

        :param title: names the image.
        :param image: (H, W, 3) uint8 RGB.
        :param predictions: task name -> prediction in the pixels of the image.
        :param annotations: task name -> annotation in the pixels of the image.
        """
        found = _understood(predictions, annotations, self._tasks)
        if found is None or not self._count:
            return
        self._added += 1
        drawn = None
        # Of equally good or bad images, those with more in them say more; then the first ones.
        for ranked, rank in ((self._best, (-found.figure, -found.right)),
                             (self._worst, (found.figure, -found.wrong))):
            if len(ranked) < self._count or rank < ranked[-1][0]:
                drawn = drawn or picture(title, image, predictions, self._tasks, annotations,
                                         found.text)
                ranked.append((rank, self._added, drawn))
                ranked.sort(key=lambda entry: entry[:2])
                del ranked[self._count:]

    def sections(self) -> dict[str, tuple[Picture, ...]]:
        """Return headings -> pictures, the best or worst first; no image is in both."""
        worst = self._worst[:self._added // 2]
        taken = {number for _, number, _ in worst}
        best = [entry for entry in self._best if entry[1] not in taken]
        return {heading: tuple(drawn for *_, drawn in entries)
                for heading, entries in zip(RANKED, (best, worst)) if entries}


@dataclass(frozen=True)
class _Understood:
    """The figure of an image in 0..1, how many things are right and wrong, and all as a text."""

    figure: float
    right: int
    wrong: int
    text: str


def _understood(predictions: Mapping[str, Any], annotations: Mapping[str, Any],
                tasks: Mapping[str, Any]) -> _Understood | None:
    figures, right, wrong, texts = [], 0, 0, []
    for name in predictions.keys() & annotations.keys():
        prediction, annotation = predictions[name], annotations[name]
        if isinstance(annotation, ClassMap):
            scorer = ClassMapScorer(tasks[name].classes)
            scorer.add(annotation, prediction)
            figure = scorer.result()['mIoU']
            text = '' if figure is None else f'mean IoU {figure:.2f}'
        else:
            matches = _MATCH[type(annotation)](
                select(prediction, prediction.scores >= SCORE_THRESHOLD), annotation)
            right, wrong = right + matches.found, wrong + matches.missed + matches.false
            figure, text = matches.f1, f'{_THINGS[type(annotation)]}: {matches}'
        if figure is not None:
            figures.append(figure)
            texts.append(text)
    if not figures:
        return None
    figure = float(np.mean(figures))
    return _Understood(figure, right, wrong, '; '.join([f'{figure:.2f}', *sorted(texts)]))


_MATCH = {Instances: match_boxes, Poses: match_poses}
_THINGS = {Instances: 'objects', Poses: 'poses'}
