# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Log-average miss rate over false positives per image, as pedestrian detection is judged by.

Source: P. Dollár et al., "Pedestrian Detection: An Evaluation of the State of the Art", PAMI 2012.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Mapping, NamedTuple

import numpy as np

from mcn_ros.evaluation import plots
from mcn_ros.evaluation.scorers.instances import InstancesScorer
from mcn_ros.evaluation.scorers.scorer import Plot
from mcn_ros.structures import crowd_rows, Instances, select
from mcn_ros.structures.boxes import box_areas, box_intersections
from mcn_ros.tasks import Task
from mcn_ros.vocabulary import PERSON

OVERLAP = 0.5
SLACK = 1.25  # predictions may be so much smaller than the smallest that is to be found
LOWEST = 1e-10  # a miss rate of 0 has no logarithm
EXACT = 1 + 1e-9  # 1/100 is as much as 10^-2
CURVE = np.logspace(-3, 2, 251)  # false positives per image, where the curve is kept

HIT, FALSE, IGNORED = 1, 0, -1


@dataclass(frozen=True)
class PedestrianRules:
    """
    What is to be found, and where the miss rate is taken.

    Other annotations of the class are to be ignored: to find them is neither right nor wrong.

    :param subject: name of the class.
    :param min_height: of the full box, in camera pixels.
    :param min_visible: part of the full box that is seen.
    :param aspect: width over height that predictions and what is to be found are given, around
        their centres; None: their own.
    :param frame: xyxy camera pixels that a full box has to lie in; None: anywhere.
    :param points: false positives per image over which the miss rate is averaged.
    """

    subject: str = PERSON
    min_height: float = 50.0
    min_visible: float = 0.65
    aspect: float | None = None
    frame: tuple[float, float, float, float] | None = None
    points: tuple[float, ...] = tuple(np.logspace(-2, 0, 9).tolist())

    def counted(self, objects: Instances) -> np.ndarray:
        """Return which objects, (N,) bool, are to be found; a box is full if none is told."""
        full = (objects.boxes if objects.full_boxes is None else objects.full_boxes).astype(float)
        found = ~crowd_rows(objects) & (full[:, 3] - full[:, 1] >= self.min_height)
        if objects.visible is not None:
            found &= objects.visible >= np.float32(self.min_visible)
        if self.frame is not None:
            left, top, right, bottom = self.frame
            found &= ((full[:, 0] >= left) & (full[:, 1] >= top)
                      & (full[:, 2] <= right) & (full[:, 3] <= bottom))
        return found

    def shaped(self, boxes: np.ndarray) -> np.ndarray:
        """Return (N, 4) float64 boxes of the wanted shape."""
        boxes = boxes.astype(float)
        if self.aspect is not None:
            half = self.aspect * (boxes[:, 3] - boxes[:, 1]) / 2
            centre = (boxes[:, 0] + boxes[:, 2]) / 2
            boxes[:, 0], boxes[:, 2] = centre - half, centre + half
        return boxes


class _Found(NamedTuple):
    """Scores (N,) of what was found in an image, which of them (N,) are right, and of how many."""

    scores: np.ndarray
    hits: np.ndarray
    to_find: int


class PedestrianScorer(InstancesScorer):
    """
    Miss rate of one class beside box AP.

    :cvar RULES: what is to be found.
    :raises ValueError: for a task without the class.
    """

    RULES: ClassVar[PedestrianRules] = PedestrianRules()
    MEANINGS: ClassVar[Mapping[str, str]] = {
        **InstancesScorer.MEANINGS,
        'MR': 'log-average miss rate over false positives per image, less is better',
        'to_find': 'how many there are to be found for the miss rate'}
    ERRORS: ClassVar[frozenset[str]] = frozenset({'MR'})
    NOTE: ClassVar[str] = (
        'The miss rate at 0.01 false positives per image is, with fewer than 100 images, the one '
        'without any: it says more with 300 images and up.')

    def __init__(self, task: Task):
        super().__init__(task)
        if self.RULES.subject not in task.classes:
            raise ValueError(f'pedestrian: no class {self.RULES.subject} to find, only '
                             f'{", ".join(task.classes)}')
        self._index = task.classes.index(self.RULES.subject)
        self._scores: list[np.ndarray] = []
        self._hits: list[np.ndarray] = []
        self._images = self._to_find = 0

    def measure(self, annotation: Instances, prediction: Instances) -> tuple[Any, _Found | None]:
        """Return what box AP needs, and who was found; where the class is not labelled, None."""
        labelled = annotation.labelled_classes
        found = None
        if labelled is None or labelled[self._index]:
            found = self._find(select(annotation, annotation.classes == self._index),
                               select(prediction, prediction.classes == self._index))
        return super().measure(annotation, prediction), found

    def _find(self, known: Instances, found: Instances) -> _Found:
        """Compare objects of the class."""
        heights = found.boxes[:, 3] - found.boxes[:, 1]
        found = select(found, heights >= self.RULES.min_height / SLACK)
        found = select(found, np.argsort(-found.scores, kind='stable'))
        counted = self.RULES.counted(known)
        outcomes = match(self.RULES.shaped(found.boxes), self.RULES.shaped(known.boxes[counted]),
                         known.boxes[~counted].astype(float))
        counts = outcomes != IGNORED
        return _Found(found.scores[counts], outcomes[counts] == HIT, int(counted.sum()))

    def accumulate(self, measured: tuple[Any, _Found | None]) -> None:
        """Add one image."""
        of_boxes, found = measured
        super().accumulate(of_boxes)
        if found is not None:
            self._scores.append(found.scores)
            self._hits.append(found.hits)
            self._to_find += found.to_find
            self._images += 1

    def result(self) -> dict[str, Any]:
        """Return the scores, without a miss rate if there is nothing to be found."""
        scores = super().result()
        rates = self._miss_rates(np.array(self.RULES.points))
        rate = None if rates is None else float(np.exp(np.log(np.maximum(rates, LOWEST)).mean()))
        return {**scores, 'MR': rate, 'to_find': self._to_find, 'per_class': scores['per_class']}

    def _miss_rates(self, points: np.ndarray) -> np.ndarray | None:
        """Return the miss rates at numbers of false positives per image, None without objects."""
        if not self._to_find:
            return None
        order = np.argsort(-np.concatenate(self._scores), kind='stable')
        hits = np.concatenate(self._hits)[order]
        false = np.cumsum(~hits) / self._images
        # Before the first prediction nothing is found, and nothing is false.
        recalls = np.concatenate([[0], np.cumsum(hits) / self._to_find])
        return 1 - recalls[np.searchsorted(false, points * EXACT, side='right')]

    def details(self) -> dict[str, Any]:
        """Return what is behind the scores, with 'miss_rate': 'false' per image -> 'rate'."""
        rates = self._miss_rates(CURVE)
        if rates is None:
            return super().details()
        return {**super().details(), 'miss_rate': {
            'false': CURVE.round(6).tolist(), 'rate': rates.round(6).tolist(),
            'points': list(self.RULES.points), 'images': self._images,
            'mean': self.result()['MR']}}

    @classmethod
    def plots(cls, details: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Plot]:
        """Draw precision over recall, and miss rate over false positives per image."""
        drawn = super().plots(details, others)
        if 'miss_rate' in details:
            png = plots.miss_rate_plot(details['miss_rate'], others.get('miss_rate', {}))
            drawn['miss_rate'] = Plot(png, 'miss rate over false positives per image')
        return drawn


class CaltechScorer(PedestrianScorer):
    """The same by all rules of the Caltech Pedestrians, whose images have 640x480 pixels."""

    RULES: ClassVar[PedestrianRules] = PedestrianRules(aspect=0.41, frame=(5, 5, 635, 475))


class BirdsScorer(PedestrianScorer):
    """The same of birds, of any size, of which an image has up to a hundred."""

    RULES: ClassVar[PedestrianRules] = PedestrianRules(
        'bird', 0.0, 0.0, points=tuple(np.logspace(-2, 2, 17).tolist()))


PEDESTRIAN_SCORERS: dict[str, type[PedestrianScorer]] = {
    'reasonable': PedestrianScorer,
    'caltech': CaltechScorer,
    'birds': BirdsScorer,
}


def match(found: np.ndarray, counted: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """
    Say of each prediction what it is; a prediction never gives up what it has.

    :param found: (N, 4) xyxy, the surest first.
    :param counted: (M, 4), each of which can be found once.
    :param ignored: (K, 4), in which any number of predictions may lie.
    :return: (N,) ``HIT``, ``FALSE``, or ``IGNORED``, which does not count.
    """
    shared = box_intersections(found, counted)
    unions = box_areas(found)[:, None] + box_areas(counted) - shared
    overlaps = np.divide(shared, unions, out=np.zeros_like(shared), where=unions > 0)
    shared, areas = box_intersections(found, ignored), box_areas(found)[:, None]
    inside = np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0)
    outcomes = np.full(len(found), FALSE)
    for row in range(len(found)):
        if len(counted) and overlaps[row].max() >= OVERLAP:
            outcomes[row] = HIT
            overlaps[:, overlaps[row].argmax()] = 0
        elif len(ignored) and inside[row].max() >= OVERLAP:
            outcomes[row] = IGNORED
    return outcomes
