# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Whether data sets label what a network is to learn, found out before it begins to."""

import difflib
from typing import Mapping, Sequence

from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.coco_file import CocoFile, PERSON, Record
from mcn_ros.tasks import Task
from mcn_ros.trainer.config import TrainConfig

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
        missing = [each for each in _names(task) if each not in known[name]]
        if not missing or f'heads.{name}.'.startswith(config.frozen):
            continue
        told = f'model.tasks.{name}: no data set has a label of {_list(missing, there)}'
        if not known[name]:
            of = f'a category {PERSON} with keypoints' if name == 'pose' else 'one of its classes'
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
            names |= _LABELS[name](dataset.file, record)
    return {name: names.intersection(_names(dataset.tasks[name]))
            for name, names in found.items()}


def _boxes(file: CocoFile, record: Record) -> set[str]:
    present = set(record.categories[~record.crowd].tolist())
    return {name for name in file.named(record, 'detection') if file.classes[name] in present}


def _joints(file: CocoFile, record: Record) -> set[str]:
    if PERSON not in file.named(record, 'pose'):
        return set()
    seen = (record.keypoints[..., 2] > 0).any(axis=0)
    return {name for name, known in zip(file.joints, seen) if known}


def _masks(file: CocoFile, record: Record) -> set[str]:
    present, bare = set(), set()
    for category, mask in zip(record.categories.tolist(), record.masks):
        (bare if mask is None else present).add(category)
    return {name for name in file.named(record, 'segmentation')
            if file.classes[name] in present - bare}


# Which classes, or joints, of an image teach a task something.
_LABELS = {'detection': _boxes, 'pose': _joints, 'segmentation': _masks}


def _names(task: Task) -> tuple[str, ...]:
    return task.classes if hasattr(task, 'classes') else task.joints.keypoint_names


def _list(names: Sequence[str], near: Sequence[str] = ()) -> str:
    """Return names for a message, each with the nearest of others, if one is near."""
    told = []
    for name in names[:SHOWN]:
        other = [each for each in near if each != name and each.lower() == name.lower()]
        other = other or [each for each in difflib.get_close_matches(name, near, 1)
                          if each != name]
        told.append(f'{name} (is it {other[0]}?)' if other else name)
    return ', '.join(told) + (f' and {len(names) - SHOWN} more' if names[SHOWN:] else '')
