# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Several published networks that look at the same image."""

from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np

from mcn_ros.runtime.teachers import DETECTORS, KINDS, load_teacher
from mcn_ros.runtime.teachers.merge import merge
from mcn_ros.structures import Instances, Poses, select, Structure
from mcn_ros.tasks import Task, TASKS, usual_names
from mcn_ros.vocabulary import PERSON

# Of so many people of an image, the most likely, joints are looked for.
MOST_PEOPLE = 30


class Panel:
    """
    Detectors whose boxes are merged, and a network that finds joints within them.

    It can be scored as a predictor is: it has tasks, and is called with an image.

    :param teachers: '[KIND=]FILE' of each; without a kind, the shapes of the network tell.
    :raises ValueError: for a file that is no teacher, an unknown kind, two networks for joints,
        and for joints without boxes to look in.
    """

    def __init__(self, teachers: Sequence[str]):
        found = [load_teacher(path, kind) for kind, path in map(split, teachers)]
        self._detectors = [teacher for kind, teacher in found if kind in DETECTORS]
        posers = [teacher for kind, teacher in found if kind not in DETECTORS]
        if len(posers) > 1:
            raise ValueError(f'teachers: expected one for joints, got {len(posers)}')
        self._poser = posers[0] if posers else None

    @property
    def parts(self) -> dict[str, Any]:
        """Return what it labels, as :class:`mcn_ros.data.labeller.Teachers` names it."""
        parts: dict[str, Any] = {}
        if self._detectors:
            parts.update(objects=self.objects, classes=self._detectors[0].classes)
        if self._poser:
            parts.update(people=self._poser, skeleton=self._poser.skeleton)
        return parts

    @property
    def tasks(self) -> dict[str, Task]:
        """Return the tasks that can be scored, by name."""
        labelled = {Instances: bool(self._detectors), Poses: bool(self._detectors and self._poser)}
        return {name: TASKS[name]() for name in usual_names()
                if labelled.get(TASKS[name].annotation)}

    def objects(self, image: np.ndarray) -> Instances:
        """Return the objects of an image, (H, W, 3) uint8 RGB, in camera pixels, best first."""
        return merge([detector(image) for detector in self._detectors])

    def __call__(self, image: np.ndarray) -> Mapping[str, Structure]:
        """Return task name -> prediction of an image in camera pixels, best first."""
        objects = self.objects(image)
        return {name: objects if task.annotation is Instances else self._people(image, objects)
                for name, task in self.tasks.items()}

    def _people(self, image: np.ndarray, objects: Instances) -> Poses:
        person = self._detectors[0].classes.index(PERSON)
        rows = np.flatnonzero(objects.classes == person)[:MOST_PEOPLE]
        poses = self._poser(image, objects.boxes[rows], objects.scores[rows])
        return select(poses, np.argsort(-poses.scores, kind='stable'))


def split(text: str) -> tuple[str, str]:
    """
    Return the kind ('' where it is not told) and the file of a teacher.

    :raises ValueError: for a kind that is unknown.
    """
    kind, equals, path = text.partition('=')
    if equals and kind in KINDS:
        return kind, path
    if equals and not Path(text).exists():
        raise ValueError(f'teachers: {kind!r} is no kind (known: {", ".join(KINDS)})')
    return '', text
