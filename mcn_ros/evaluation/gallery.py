# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of predictions beside the ground truth: the images understood best and worst."""

from dataclasses import dataclass
from typing import Iterable, Mapping

import cv2
import numpy as np

from mcn_ros.data.results import SCORE_THRESHOLD
from mcn_ros.evaluation.scorers import Figure, scorer_of
from mcn_ros.geometry import scaling, warp_image
from mcn_ros.structures import Structure
from mcn_ros.tasks import Task
from mcn_ros.visualization import draw

LONG_SIDE = 640
JPEG_QUALITY = 78

RANKED = 'Best images', 'Worst images'


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


def draw_picture(title: str, image: np.ndarray, predictions: Mapping[str, Structure],
                 tasks: Mapping[str, Task], annotations: Mapping[str, Structure] | None = None,
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
    images = {}
    for side, structures in sides.items():
        warped = {name: structure.warp(affine, size) for name, structure in structures.items()}
        images[side] = _jpeg(draw(small, warped, names, SCORE_THRESHOLD))
    return Picture(title, caption, images)


def _jpeg(image: np.ndarray) -> bytes:
    quality = cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY
    return cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1].tobytes()


def ranking(tasks: Iterable[Task]) -> str:
    """Return what decides about the order of images, for people."""
    figures = ', '.join(dict.fromkeys(scorer_of(task).IMAGE_FIGURE for task in tasks))
    return (f'The figure of an image is the mean of what can be said of it: {figures}. Drawn, and '
            f'counted as found or false, is what has a score of {SCORE_THRESHOLD} or more. An '
            'image in which there is nothing to find, and nothing was found, has no figure.')


class Gallery:
    """
    The best and the worst of the images that are added, see :func:`ranking`.

    :param tasks: task name -> task whose predictions are shown.
    :param count: how many images of each.
    """

    def __init__(self, tasks: Mapping[str, Task], count: int = 6):
        self._tasks = tasks
        self._count = count
        self._added = 0
        # Rank, number of the image and its picture: the first ones are the best or the worst.
        self._best: list[tuple[tuple[float, int], int, Picture]] = []
        self._worst: list[tuple[tuple[float, int], int, Picture]] = []

    def add(self, title: str, image: np.ndarray, predictions: Mapping[str, Structure],
            annotations: Mapping[str, Structure], number: int | None = None) -> None:
        """
        Add an image; it is drawn only if it is among the best or worst so far.

        :param title: names the image.
        :param image: (H, W, 3) uint8 RGB.
        :param predictions: task name -> prediction in the pixels of the image.
        :param annotations: task name -> annotation in the pixels of the image.
        :param number: where it comes in the order of all images, which increases; None for next.
        """
        figure = self._rate(predictions, annotations) if self._count else None
        if figure is None:
            return
        self._added += 1
        number = self._added if number is None else number
        shared = None
        # Of equally good or bad images, those with more in them say more; then the first ones.
        for ranked, rank in ((self._best, (-figure.value, -figure.right)),
                             (self._worst, (figure.value, -figure.wrong))):
            if len(ranked) < self._count or rank < ranked[-1][0]:
                shared = shared or draw_picture(title, image, predictions, self._tasks,
                                                annotations, figure.text)
                ranked.append((rank, number, shared))
                self._cut(ranked)

    def merge(self, others: Iterable['Gallery']) -> None:
        """Add the images of other galleries, which had others of the same numbers."""
        for other in others:
            self._added += other._added
            for ranked, more in ((self._best, other._best), (self._worst, other._worst)):
                ranked += more
                self._cut(ranked)

    def _cut(self, ranked: list[tuple[tuple[float, int], int, Picture]]) -> None:
        """Keep the first ones."""
        ranked.sort(key=lambda entry: entry[:2])
        del ranked[self._count:]

    def sections(self) -> dict[str, tuple[Picture, ...]]:
        """Return headings -> pictures, the best or worst first; no image is in both."""
        worst = self._worst[:self._added // 2]
        among_worst = {number for _, number, _ in worst}
        best = [entry for entry in self._best if entry[1] not in among_worst]
        return {heading: tuple(picture for *_, picture in entries)
                for heading, entries in zip(RANKED, (best, worst)) if entries}

    def _rate(self, predictions: Mapping[str, Structure], annotations: Mapping[str, Structure],
              ) -> Figure | None:
        """Return the figure of an image, None for one without."""
        figures = {name: scorer_of(task)(task).figure(annotations[name], predictions[name])
                   for name, task in self._tasks.items()
                   if name in predictions.keys() & annotations}
        rated = {name: figure for name, figure in figures.items() if figure.value is not None}
        if not rated:
            return None
        mean = float(np.mean([figure.value for figure in rated.values()]))
        texts = [f'{name}: {figure.text}' for name, figure in rated.items()]
        return Figure(mean, '; '.join([f'{mean:.2f}', *texts]),
                      sum(figure.right for figure in figures.values()),
                      sum(figure.wrong for figure in figures.values()))
