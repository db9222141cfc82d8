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
from typing import Any, Mapping

import numpy as np

from mcn_ros.data.json_entries import read_numbers
from mcn_ros.data.results import SCORE_THRESHOLD
from mcn_ros.geometry import Size
from mcn_ros.spatial.scene import AREAS, Scene, SUBJECTS
from mcn_ros.spatial.surface import Surface
from mcn_ros.structures import select, Structure
from mcn_ros.tasks import Task
from mcn_ros.tracking.association import assign, overlaps
from mcn_ros.vocabulary import PERSON

MATCH = 0.5  # overlap of boxes from which on an object is found
NEAR, FAR = 1.0, 5.0  # metres along the optical axis; what is there counts


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


@dataclass(frozen=True)
class Lifted:
    """
    Objects of a head that are certain enough to be shown, in space.

    :param objects: N of them, in pixels of the image.
    :param positions: (N, 3) float64, metres in the optical frame; NaN where not known.
    :param ground: (M, 2) float64, where on the ground all objects of the head are, see
        :meth:`mcn_ros.spatial.scene.Scene.ground`; NaN also for those that are not shown.
    """

    objects: Structure
    positions: np.ndarray
    ground: np.ndarray


def lift_shown(tasks: Mapping[str, Task], predictions: Mapping[str, Structure],
               surface: Surface, size: Size) -> dict[str, Lifted]:
    """
    Return head -> its objects in space, as the node finds them.

    :param tasks: task name -> task; the first one of areas tells which pixels are of objects.
    :param predictions: task name -> prediction in pixels of the image, not thresholded.
    :param surface: what the depth camera saw.
    :param size: (height, width) of the image.
    """
    areas = next((name for name, task in tasks.items()
                  if task.prediction is AREAS and name in predictions), None)
    scene = Scene.of(surface, size, areas and (predictions[areas], tasks[areas].classes))
    found = {}
    for name, prediction in predictions.items():
        if tasks[name].prediction in SUBJECTS:
            shown = np.flatnonzero(prediction.scores >= SCORE_THRESHOLD)
            objects = select(prediction, shown)
            places = scene.lift(objects, tasks[name])
            positions = np.full((len(shown), 3), np.nan)
            positions[places.rows] = places.positions
            ground = np.full((len(prediction), 2), np.nan)
            ground[shown] = scene.ground(objects, tasks[name])
            found[name] = Lifted(objects, positions, ground)
    return found


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

    :param tasks: task name -> task; those of objects and people are scored.
    """

    def __init__(self, tasks: Mapping[str, Task]):
        self._heads: dict[str, tuple[str, int]] = {}  # class -> the head that counts, its number
        for name, task in tasks.items():
            if task.prediction in SUBJECTS:
                for index, label in enumerate(task.classes or (PERSON,)):
                    self._heads.setdefault(label, (name, index))
        self._errors: dict[str, list[float]] = {}

    def measure(self, truth: Placed, found: Mapping[str, Lifted]) -> dict[str, list[float]]:
        """
        Return class -> metres between found and true position, NaN of what has none.

        :param found: head -> its objects in space; none of a head that is missing.
        """
        near = (truth.positions[:, 2] >= NEAR) & (truth.positions[:, 2] <= FAR)
        errors: dict[str, list[float]] = {}
        for label in self._heads.keys() & set(truth.labels[near].tolist()):
            wanted = np.flatnonzero(near & (truth.labels == label))
            errors[label] = np.full(len(wanted), np.nan)
            name, index = self._heads[label]
            if name in found:
                objects, positions = found[name].objects, found[name].positions
                overlap = overlaps(truth.boxes[wanted], objects.boxes)
                alike = objects.classes == index if 'classes' in objects.ROWS else True
                rows, columns = assign(-overlap, (overlap >= MATCH) & alike)
                errors[label][rows] = np.linalg.norm(
                    positions[columns] - truth.positions[wanted[rows]], axis=1)
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
