# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which classes of a head pass: parameters that hold names or ids."""

from typing import Mapping, Sequence

import numpy as np

from mcn_ros.structures import ClassMap
from mcn_ros.tasks import Task

POINTS_CLASSES = 'semantic.points_classes'
CLOUDS = (ClassMap,)  # predictions that clouds are made of


def select_classes(head: str, wanted: Sequence[str], class_names: Sequence[str]) -> np.ndarray:
    """Resolve the class filter of a head, see :func:`find_classes`."""
    return find_classes(f'{head}.classes', wanted, class_names)


def find_classes(parameter: str, wanted: Sequence[str], class_names: Sequence[str]) -> np.ndarray:
    """
    Resolve a parameter that has classes.

    :param parameter: its name.
    :param wanted: names or decimal ids; empty for all.
    :param class_names: of the head.
    :return: (C,) bool, which classes pass.
    :raises ValueError: for a class that the head does not have.
    """
    ids = {name: index for index, name in enumerate(class_names)}
    ids.update({str(index): index for index in range(len(class_names))})
    unknown = [name for name in wanted if name not in ids]
    if unknown:
        raise ValueError(f'{parameter}: unknown {", ".join(unknown)} '
                         f'(known: {", ".join(class_names)}, or ids 0 to {len(class_names) - 1})')
    passing = np.full(len(class_names), not wanted)
    passing[[ids[name] for name in wanted]] = True
    return passing


def points_classes(wanted: Sequence[str], class_names: Sequence[str]) -> list[str]:
    """
    Return the names of the classes in the cloud, [] for all; ``wanted`` has names or ids.

    :raises ValueError: for a class that there is not.
    """
    chosen = find_classes(POINTS_CLASSES, wanted, class_names)
    return [class_names[index] for index in np.flatnonzero(chosen)] if wanted else []


def check_points_classes(wanted: Sequence[str], tasks: Mapping[str, Task]) -> None:
    """Raise ValueError for classes that the first head with a semantic image does not have."""
    maps = [task for task in tasks.values() if task.prediction in CLOUDS]
    for task in maps[:1]:
        points_classes(wanted, task.classes)
