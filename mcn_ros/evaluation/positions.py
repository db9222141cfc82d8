# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Scores of places in space: how far from the true position objects are found.

Truth is the key ``position`` of the annotations of a COCO file: the median of the visible surface
in metres, in the optical frame of the depth.
"""

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any, Callable, Mapping

import numpy as np

from mcn_ros.data.json_entries import read_numbers
from mcn_ros.data.results import SCORE_THRESHOLD
from mcn_ros.geometry import Size
from mcn_ros.spatial.lift import lift
from mcn_ros.spatial.subjects import Mask, registration, Subjects
from mcn_ros.spatial.surface import Surface
from mcn_ros.structures import ClassMap, Instances, Poses, select, Structure
from mcn_ros.tasks import Task
from mcn_ros.tracking.association import assign, overlaps
from mcn_ros.vocabulary import PERSON

MATCH = 0.5  # overlap of boxes from which on an object is found
NEAR, FAR = 1.0, 5.0  # metres along the optical axis; what is there counts
KEYPOINT_THRESHOLD = 0.2  # of shoulders and hips that tell where a person is
CELLS = 128  # of a network, along the longer side of an image: a mask is uncertain within one

# Predictions of objects -> how they are looked for in space; and those that are masks.
SUBJECTS: dict[type, Callable[[Any, Task, Mask | None], Subjects]] = {
    Instances: lambda objects, task, mask: Subjects.of_objects(objects, task.classes, mask),
    Poses: lambda people, task, mask: Subjects.of_people(people, KEYPOINT_THRESHOLD, mask)}
AREAS = {ClassMap}


@dataclass(frozen=True)
class Placed:
    """
    Annotated objects of an image whose place is known.

    :param labels: N names of classes.
    :param boxes: (N, 4) float64 xyxy.
    :param positions: (N, 3) float64, metres.
    """

    labels: np.ndarray
    boxes: np.ndarray
    positions: np.ndarray


def read_positions(source: Path | str | Mapping[str, Any]) -> dict[int, Placed]:
    """
    Return image id -> objects with a ``position``, of images that have any.

    :param source: path of an annotation file that was read before, or its content.
    :raises ValueError: for a position that is not three numbers.
    """
    named = isinstance(source, Mapping)
    content = source if named else json.loads(Path(source).read_bytes())
    names = {category['id']: category['name'] for category in content['categories']}
    rows: dict[int, list[tuple[str, np.ndarray, np.ndarray]]] = {}
    for entry in content['annotations']:
        if entry.get('position') is not None:
            where = f'{"annotations" if named else source}: annotation {entry["id"]}: position'
            left, top, width, height = entry['bbox']
            rows.setdefault(entry['image_id'], []).append((
                names[entry['category_id']], np.array([left, top, left + width, top + height]),
                read_numbers(entry['position'], 3, where)))
    return {image_id: Placed(*map(np.array, zip(*found))) for image_id, found in rows.items()}


class PositionScores:
    """
    The scores of positions by class, over the images that are added.

    Where several heads see a class, the first one counts.

    :param tasks: task name -> task; those of objects and people are scored, and masks tell which
        pixels are theirs.
    """

    def __init__(self, tasks: Mapping[str, Task]):
        self._tasks = tasks
        self._heads: dict[str, tuple[str, int]] = {}  # class -> the head that counts, its number
        for name, task in tasks.items():
            if task.prediction in SUBJECTS:
                for index, label in enumerate(task.classes or (PERSON,)):
                    self._heads.setdefault(label, (name, index))
        self._areas = next((name for name, task in tasks.items()
                            if task.prediction in AREAS), None)
        self._errors: dict[str, list[float]] = {}

    def measure(self, truth: Placed, predictions: Mapping[str, Structure],
                surface: Surface | None, size: Size) -> dict[str, list[float]]:
        """
        Return class -> metres between found and true position, NaN of what has none.

        :param predictions: task name -> prediction in pixels of the image.
        :param surface: what the depth camera saw, None for nothing.
        :param size: (height, width) of the image.
        """
        places = {} if surface is None else self._lift(predictions, surface, size)
        near = (truth.positions[:, 2] >= NEAR) & (truth.positions[:, 2] <= FAR)
        errors: dict[str, list[float]] = {}
        for label in self._heads.keys() & set(truth.labels[near].tolist()):
            wanted = np.flatnonzero(near & (truth.labels == label))
            errors[label] = np.full(len(wanted), np.nan)
            name, index = self._heads[label]
            if name in places:
                objects, positions = places[name]
                overlap = overlaps(truth.boxes[wanted], objects.boxes)
                alike = objects.classes == index if 'classes' in objects.ROWS else True
                rows, found = assign(-overlap, (overlap >= MATCH) & alike)
                errors[label][rows] = np.linalg.norm(
                    positions[found] - truth.positions[wanted[rows]], axis=1)
        return {label: values.tolist() for label, values in errors.items()}

    def accumulate(self, measured: Mapping[str, list[float]]) -> None:
        """Add what was measured of an image."""
        for label, errors in measured.items():
            self._errors.setdefault(label, []).extend(errors)

    def result(self) -> dict[str, dict[str, Any]]:
        """
        Return class -> scores, of what is annotated from ``NEAR`` to ``FAR``.

        :return: 'position_error_m' {'p50', 'p95'}, {} where none is found; 'found', the share of
            the objects whose position is; and 'objects', their number.
        """
        found = {}
        for label, errors in sorted(self._errors.items()):
            known = np.array(errors)[~np.isnan(errors)]
            spread = np.percentile(known, (50, 95)).tolist() if len(known) else ()
            found[label] = {'position_error_m': dict(zip(('p50', 'p95'), spread)),
                            'found': len(known) / len(errors), 'objects': len(errors)}
        return found

    def _lift(self, predictions: Mapping[str, Structure], surface: Surface,
              size: Size) -> dict[str, tuple[Structure, np.ndarray]]:
        """Return head -> what is shown of it, and (N, 3) where that is, NaN where not known."""
        mask, affine = None, registration(size, surface.size)
        if self._areas in predictions:
            areas = predictions[self._areas]
            mask = Mask.of(areas, self._tasks[self._areas].classes,
                           max(areas.labels.shape) / CELLS, surface.size)
        found = {}
        for name in {head for head, _ in self._heads.values()} & predictions.keys():
            shown = select(predictions[name], predictions[name].scores >= SCORE_THRESHOLD)
            seen = shown.warp(affine, surface.size)
            task = self._tasks[name]
            places = lift(surface, SUBJECTS[task.prediction](seen, task, mask), mask)
            positions = np.full((len(shown), 3), np.nan)
            positions[places.rows] = places.positions
            found[name] = shown, positions
        return found
