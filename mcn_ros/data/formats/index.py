# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Maps with the class of every pixel, as those of CamVid, NYUv2 and PASCAL VOC."""

from functools import partial
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from mcn_ros.data.formats.class_table import ClassTable, read_table
from mcn_ros.data.formats.content import Content, Labelling
from mcn_ros.data.formats.nearest import fill_nearest
from mcn_ros.data.formats.pairs import find_pairs, Pair
from mcn_ros.structures import ClassMap, IGNORE, RegionMap, UNKNOWN_REGION
from mcn_ros.tasks import TASKS


def read(images: Path, labels: Path, classes: Path, *, tasks: Sequence[str], only: str,
         fill: int = 0) -> Content:
    """
    Read maps of classes.

    :param classes: CSV file, see :mod:`mcn_ros.data.formats.class_table`.
    :param tasks: kinds of tasks whose annotations are classes of pixels or regions.
    :param fill: pixels; gaps between regions are filled from so far, for tasks of regions.
    :raises ValueError: for tasks of other annotations.
    """
    for task in tasks:
        if task not in TASKS or TASKS[task].annotation not in MAPS:
            known = (name for name, cls in TASKS.items() if cls.annotation in MAPS)
            raise ValueError(f'tasks: {task!r} is not one of {", ".join(known)}')
    if fill < 0:
        raise ValueError(f'fill: expected pixels from 0 on, got {fill}')
    table = read_table(classes)
    describe = partial(_read, table=table, tasks=tasks, fill=fill)
    return Content(find_pairs(images, labels, only), describe, table.classes,
                   dict.fromkeys(tasks, table.classes))


def _read(pair: Pair, table: ClassTable, tasks: Sequence[str], fill: int) -> Labelling:
    labels = table.read(pair.labels, pair.size)
    maps = {task: MAPS[TASKS[task].annotation](labels, fill) for task in tasks}
    keys: dict[str, Any] = {'region_categories': list(range(1, len(table.classes) + 1))}
    return Labelling(maps, keys=keys)


def _classes(labels: np.ndarray, fill: int) -> np.ndarray:
    return labels


def _regions(labels: np.ndarray, fill: int) -> np.ndarray:
    """Return all pixels of a class as one region, (H, W) uint16, with narrow gaps filled."""
    unknown = labels == IGNORE
    if fill and unknown.any() and not unknown.all():
        labels = fill_nearest(labels, unknown, fill)
    return np.where(labels == IGNORE, np.uint16(UNKNOWN_REGION), labels.astype(np.uint16))


# Pixels of the map of a task, by the type of its annotations.
MAPS: Mapping[type, Callable[[np.ndarray, int], np.ndarray]] = {
    ClassMap: _classes, RegionMap: _regions}
