# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Scores of all tasks at once, wherever images, predictions and annotations come from.

One file for each type of annotation; :class:`Scorer` says what the scorers have in common.
"""

from typing import Any, Mapping

from mcn_ros.evaluation.scorers.all_classes import AllClassesScorer
from mcn_ros.evaluation.scorers.class_contours import ClassContoursScorer
from mcn_ros.evaluation.scorers.class_map import ClassMapScorer
from mcn_ros.evaluation.scorers.class_planes import ClassPlanesScorer
from mcn_ros.evaluation.scorers.contours import ContoursScorer
from mcn_ros.evaluation.scorers.instances import InstancesScorer
from mcn_ros.evaluation.scorers.pedestrians import PEDESTRIAN_SCORERS
from mcn_ros.evaluation.scorers.poses import PosesScorer
from mcn_ros.evaluation.scorers.scalar_map import ScalarMapScorer
from mcn_ros.evaluation.scorers.scorer import Figure, Plot, Scorer
from mcn_ros.evaluation.scorers.vector_map import VectorMapScorer
from mcn_ros.structures import ClassMap, ClassPlanes, Instances, Poses, ScalarMap, VectorMap
from mcn_ros.tasks import Task

__all__ = ['AllClassesScorer', 'ClassContoursScorer', 'ClassMapScorer', 'ClassPlanesScorer',
           'ContoursScorer', 'Figure', 'InstancesScorer', 'PEDESTRIAN_SCORERS', 'Plot',
           'PosesScorer', 'ScalarMapScorer', 'score_text', 'Scorer', 'scorer_of', 'Scorers',
           'SCORERS', 'VectorMapScorer']

# Type of the annotations of a task, or the name of a scorer that a task asks for.
SCORERS: dict[type | str, type[Scorer]] = {
    Instances: InstancesScorer,
    Poses: PosesScorer,
    ClassMap: ClassMapScorer,
    ScalarMap: ScalarMapScorer,
    VectorMap: VectorMapScorer,
    ClassPlanes: ClassPlanesScorer,
    'contours': ContoursScorer,
    'class_contours': ClassContoursScorer,
    'all_classes': AllClassesScorer,
}


def scorer_of(task: Task, table: Mapping[type | str, type[Scorer]] = SCORERS) -> type[Scorer]:
    """Return the scorer of a task; ValueError if the table has none."""
    wanted = task.scorer or task.annotation
    if wanted not in table:
        known = ', '.join(_name(key) for key in table)
        raise ValueError(f'{type(task).__name__}: no scorer for {_name(wanted)} (known: {known})')
    return table[wanted]


def _name(key: type | str) -> str:
    return key if isinstance(key, str) else key.__name__


class Scorers:
    """
    The scorers of several tasks, each over the images that are labelled for it.

    :param tasks: task name -> task whose predictions are scored.
    :param table: of all scorers.
    """

    def __init__(self, tasks: Mapping[str, Task],
                 table: Mapping[type | str, type[Scorer]] = SCORERS):
        self.tasks, self._table = tasks, table
        self._scorers: dict[str, Scorer] = {}  # of those for which an image is labelled
        self._images = 0

    def measure(self, predictions: Mapping[str, Any] | None, annotations: Mapping[str, Any],
                ) -> dict[str, Any]:
        """
        Return task name -> what its scores need of one image, see :meth:`Scorer.measure`.

        :param predictions: task name -> prediction in camera pixels. None, as a task that is not
            there, means that nobody has looked: all that is annotated was missed.
        :param annotations: task name -> annotation in camera pixels.
        :raises ValueError: for a map of another size than the annotation, and for a task whose
            type has no scorer.
        """
        measured = {}
        for name, annotation in annotations.items():
            if name in self.tasks:
                scorer, prediction = self._scorer(name), (predictions or {}).get(name)
                measured[name] = scorer.measure(
                    annotation, scorer.nothing(annotation) if prediction is None else prediction)
        return measured

    def accumulate(self, measured: Mapping[str, Any]) -> None:
        """Add one image, of which this is what :meth:`measure` returned."""
        for name, of_task in measured.items():
            self._scorer(name).accumulate(of_task)
        self._images += 1

    def add(self, predictions: Mapping[str, Any] | None, annotations: Mapping[str, Any]) -> None:
        """Add one image; see :meth:`measure`."""
        self.accumulate(self.measure(predictions, annotations))

    def _scorer(self, name: str) -> Scorer:
        """Return the scorer of a task, made when it is first needed."""
        if name not in self._scorers:
            task = self.tasks[name]
            self._scorers[name] = scorer_of(task, self._table)(task)
        return self._scorers[name]

    def result(self) -> dict[str, Any]:
        """Return {task name: scores, of tasks that an image is labelled for; 'images': number}."""
        scores = {name: self._scorers[name].result() for name in self._scored}
        return {**scores, 'images': self._images}

    def details(self) -> dict[str, Any]:
        """Return {task name: what is behind its scores, see the scorers}."""
        return {name: self._scorers[name].details() for name in self._scored}

    @property
    def _scored(self) -> list[str]:
        """Return the names of the tasks that have scores, in the order of the tasks."""
        return [name for name in self.tasks if name in self._scorers]


def score_text(score: float | int | None) -> str:
    """Return a score or a number as text, '-' for one that does not exist."""
    return '-' if score is None else str(score) if isinstance(score, int) else f'{score:.3f}'
