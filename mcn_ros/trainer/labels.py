# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Whether data sets label what a network is to learn, found out before it begins to."""

import difflib
from typing import Mapping, Sequence

from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.labels import Labels
from mcn_ros.structures import (
    ClassMap, ClassPlanes, Instances, Poses, RegionMap, ScalarMap, VectorMap)
from mcn_ros.tasks import Task
from mcn_ros.trainer.config import TrainConfig
from mcn_ros.vocabulary import PERSON

SHOWN = 10  # names in a message


def check_labels(config: TrainConfig, tasks: Mapping[str, Task], datasets: Sequence[CocoDataset],
                 ) -> list[str]:
    """
    Compare the classes and joints of the heads with those that the data sets have objects of.

    :param datasets: those of the configuration, in its order.
    :return: warnings, a line for each head some of whose names have no label anywhere, and for
        each data set that has no label for what it is for.
    :raises ValueError: for a head that nothing is labelled for, unless it is frozen.
    """
    warnings, known = [], {name: set() for name in tasks}
    for settings, dataset in zip(config.datasets, datasets, strict=True):
        found = labelled_names(dataset)
        useless = [name for name in settings.tasks or () if not found.get(name)]
        if not any(found.values()):
            useless = list(settings.tasks or tasks)
        if useless:
            warnings.append(f'{dataset.file.path}: labels nothing for {", ".join(useless)}')
        if settings.weight != 0:
            for name, names in found.items():
                known[name] |= names
    there = sorted({name for dataset in datasets for name in dataset.file.classes})
    for name, task in tasks.items():
        missing = [each for each in _names(name, task) if each not in known[name]]
        if not missing or f'heads.{name}.'.startswith(config.frozen):
            continue
        told = f'model.tasks.{name}: no data set has a label of {_list(missing, there)}'
        if not known[name]:
            of = _NEEDS.get(task.annotation, 'one of its classes')
            raise ValueError(f'{told}, so the head has nothing to learn from: it needs {of} '
                             f'(categories of the data sets: {_list(there)}), or is to be left '
                             f'out, or frozen')
        warnings.append(told)
    return warnings


def labelled_names(dataset: CocoDataset) -> dict[str, set[str]]:
    """Return task -> its classes, or joints, that the data set has a labelled object of."""
    found: dict[str, set[str]] = {name: set() for name in dataset.tasks}
    for record in dataset.file.records:
        for name, names in found.items():
            labels = dataset.annotations.labels(record, name)
            names |= _LABELLED.get(labels.task.annotation, _all)(labels)
    return {name: names.intersection(_names(name, dataset.tasks[name]))
            for name, names in found.items()}


def _boxes(labels: Labels) -> set[str]:
    record = labels.record
    present = set(record.categories[~record.crowd].tolist())
    return {name for name in labels.named if labels.file.classes[name] in present}


def _joints(labels: Labels) -> set[str]:
    if PERSON not in labels.named:
        return set()
    seen = (labels.record.keypoints[..., 2] > 0).any(axis=0)
    return {name for name, known in zip(labels.file.joints, seen) if known}


def _masks(labels: Labels) -> set[str]:
    if labels.map:
        return _all(labels)
    present, bare = set(), set()
    for category, mask in zip(labels.record.categories.tolist(), labels.record.masks):
        (bare if mask is None else present).add(category)
    return {name for name in labels.named if labels.file.classes[name] in present - bare}


def _regions(labels: Labels) -> set[str]:
    """Return the classes that have a mask; any mask has a contour, where classes do not count."""
    found = _masks(labels)
    return found if labels.task.classes or not found else _all(labels)


def _map(labels: Labels) -> set[str]:
    return _all(labels) if labels.map else set()


def _all(labels: Labels) -> set[str]:
    return set(_names(labels.name, labels.task))


# Which names of an image teach a task something, by the type of its annotations.
_LABELLED = {
    Instances: _boxes,
    Poses: _joints,
    ClassMap: _masks,
    RegionMap: _regions,
    ScalarMap: _map,
    VectorMap: _map,
    ClassPlanes: _map,
}

# What a head needs that has no labels at all.
_NEEDS = {Poses: f'a category {PERSON} with keypoints', ScalarMap: 'a map', VectorMap: 'a map',
          ClassPlanes: 'a map'}


def _names(name: str, task: Task) -> tuple[str, ...]:
    """Return the classes or joints of a task; one that has neither goes by its own name."""
    return task.classes or (task.joints.keypoint_names if task.joints else (name,))


def _list(names: Sequence[str], near: Sequence[str] = ()) -> str:
    """Return names for a message, each with the nearest of others, if one is near."""
    told = []
    for name in names[:SHOWN]:
        other = [each for each in near if each != name and each.lower() == name.lower()]
        other = other or [each for each in difflib.get_close_matches(name, near, 1)
                          if each != name]
        told.append(f'{name} (is it {other[0]}?)' if other else name)
    return ', '.join(told) + (f' and {len(names) - SHOWN} more' if names[SHOWN:] else '')
