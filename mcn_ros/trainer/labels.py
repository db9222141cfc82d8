# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The check, before a training, that its data sets label what the network is to learn."""

import difflib
from typing import Mapping, Sequence

from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.labels import Labels, READERS
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
    warnings, labelled = [], {name: set() for name in tasks}
    for settings, dataset in zip(config.datasets, datasets, strict=True):
        of_dataset = labelled_names(dataset)
        useless = [name for name in settings.tasks or () if not of_dataset.get(name)]
        if not any(of_dataset.values()):
            useless = list(settings.tasks or tasks)
        if useless:
            warnings.append(f'{dataset.file.path}: labels nothing for {", ".join(useless)}')
        if settings.weight != 0:
            for name, names in of_dataset.items():
                labelled[name] |= names
    categories = sorted({name for dataset in datasets for name in dataset.file.classes})
    for name, task in tasks.items():
        missing = [each for each in _names(name, task) if each not in labelled[name]]
        if not missing or f'heads.{name}.'.startswith(config.frozen):
            continue
        warning = f'model.tasks.{name}: no data set has a label of {_list(missing, categories)}'
        if not labelled[name]:
            needed = NEEDED_LABELS.get(task.annotation, 'one of its classes')
            raise ValueError(f'{warning}, so the head has nothing to learn from: it needs {needed}'
                             f' (categories of the data sets: {_list(categories)}), or is to be '
                             'left out, or frozen')
        warnings.append(warning)
    return warnings


def labelled_names(dataset: CocoDataset) -> dict[str, set[str]]:
    """Return task -> its classes, or joints, that the data set has a labelled object of."""
    labelled = {}
    for name, task in dataset.tasks.items():
        wanted, names = set(_names(name, task)), set()
        for record in dataset.file.records:
            if not names >= wanted:
                read = LABELLED_NAMES.get(task.annotation, _whole_annotation)
                names |= read(dataset.annotations.labels(record, name))
        labelled[name] = names & wanted
    return labelled


def _boxes(labels: Labels) -> set[str]:
    record = labels.record
    present = set(record.categories[~record.crowd].tolist())
    return {name for name in labels.named if labels.file.classes[name] in present}


def _joints(labels: Labels) -> set[str]:
    if PERSON not in labels.named:
        return set()
    labelled = (labels.record.keypoints[..., 2] > 0).any(axis=0)
    return {name for name, is_labelled in zip(labels.file.joints, labelled) if is_labelled}


def _masks(labels: Labels) -> set[str]:
    if labels.map:
        return _all(labels)
    masked, maskless = set(), set()
    for category, mask in zip(labels.record.categories.tolist(), labels.record.masks):
        (maskless if mask is None else masked).add(category)
    return {name for name in labels.named if labels.file.classes[name] in masked - maskless}


def _regions(labels: Labels) -> set[str]:
    """Return the classes that have a mask; any mask has a contour, where classes do not count."""
    classes = _masks(labels)
    return classes if labels.task.classes or not classes else _all(labels)


def _map(labels: Labels) -> set[str]:
    return _all(labels) if labels.map or labels.task.of_objects and _masks(labels) else set()


def _whole_annotation(labels: Labels) -> set[str]:
    """Of a type that is unknown here, an image is labelled for all or nothing."""
    annotation = READERS[labels.task.annotation](labels)
    return set() if annotation is None else _all(labels)


def _all(labels: Labels) -> set[str]:
    return set(_names(labels.name, labels.task))


# Which names of an image teach a task something, by the type of its annotations.
LABELLED_NAMES = {
    Instances: _boxes,
    Poses: _joints,
    ClassMap: _masks,
    RegionMap: _regions,
    ScalarMap: _map,
    VectorMap: _map,
    ClassPlanes: _map,
}

# What a head needs that has no labels at all.
NEEDED_LABELS = {
    Poses: f'a category {PERSON} with keypoints', ScalarMap: 'a map', VectorMap: 'a map',
    ClassPlanes: 'a map'}


def _names(name: str, task: Task) -> tuple[str, ...]:
    """Return the classes or joints of a task; one that has neither goes by its own name."""
    return task.classes or (task.joints.keypoint_names if task.joints else (name,))


def _list(names: Sequence[str], near: Sequence[str] = ()) -> str:
    """Return names for a message, each with the most similar of other names, if one is similar."""
    texts = []
    for name in names[:SHOWN]:
        others = [each for each in near if each.lower() == name.lower()]
        others = [each for each in others or difflib.get_close_matches(name, near, 1)
                  if each != name]
        texts.append(f'{name} (is it {others[0]}?)' if others else name)
    return ', '.join(texts) + (f' and {len(names) - SHOWN} more' if names[SHOWN:] else '')
