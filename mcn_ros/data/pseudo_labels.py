# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Labels by teachers in the place of those that images lack: boxes, joints and maps of classes."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Mapping, Sequence

from tqdm import tqdm

from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.coco_file import CocoFile, read_coco, Record
from mcn_ros.data.each import Each
from mcn_ros.data.journal import Journal
from mcn_ros.data.labeller import Labeller, Teachers, Thresholds
from mcn_ros.tasks import Task
from mcn_ros.vocabulary import PERSON


def add_pseudo_labels(content: dict[str, Any], dataset: CocoDataset, teachers: Teachers,
                      thresholds: Thresholds, journal: Journal, folder: Path,
                      progress: bool = False, each: Each = map) -> dict[str, Any]:
    """
    Label the images of an annotation file for all that the teachers know.

    A class gets boxes in the images where it is labelled for no task: one more person, without
    joints and mask, would spoil an image labelled with poses. Where no joints are labelled, the
    people get some, also those with boxes that are in the file. Where pixels are not labelled for
    all classes, the image gets a map.

    :param content: of the file; it is changed.
    :param dataset: its images, read for the task of the maps, if there is a teacher of them.
    :param journal: of the images that are done.
    :param folder: where the new file will be; maps are written into a folder beside it.
    :param progress: show a progress bar, if standard error is a terminal.
    :param each: shares the images with processes that call :func:`label_images`.
    :return: the content; the annotations that were added have a ``score``.
    :raises ValueError: for an image that is missing or not of its stated size.
    """
    records, before = dataset.file.records, len(journal.done)
    labelled = label_images(content, dataset, teachers, thresholds, set(journal.done), folder,
                            each)
    for image_id, labels in tqdm(labelled, unit='image', total=len(records), initial=before,
                                 disable=None if progress else True):
        journal.add(image_id, labels)
    _enter(content, records, journal.done)
    return content


def label_images(content: dict[str, Any], dataset: CocoDataset, teachers: Teachers,
                 thresholds: Thresholds, done: Collection[int], folder: Path, each: Each = map,
                 ) -> Iterator[tuple[int, dict[str, Any]]]:
    """
    Do the work of :func:`add_pseudo_labels`, to which the labels are still to be entered.

    :param content: of the file; it gets categories and names.
    :param done: ids of the images that are labelled already.
    :return: id of an image and its labels, see :meth:`Labeller.label`.
    """
    file = read_coco(content)  # with masks, for which the tasks of the data set may not ask
    if teachers.maps:
        _name_classes(content, file, *teachers.maps)
    ids = _with_categories(content, teachers)
    labeller = Labeller(file, dataset, teachers, thresholds, ids, folder)
    people = _people(content, ids)
    ids_of_images = [record.image_id for record in dataset.file.records]

    def label(index: int) -> tuple[int, dict[str, Any]]:
        image_id = ids_of_images[index]
        return image_id, labeller.label(index, people.get(image_id, []))

    yield from each(label, [index for index, image_id in enumerate(ids_of_images)
                            if image_id not in done])


def _name_classes(content: dict[str, Any], file: CocoFile, name: str, task: Task) -> None:
    """Tell what the labels of the maps are, whatever the file is read for."""
    before = file.map_classes.get(name, task.classes)
    if before != task.classes:
        raise ValueError(f'{file.path}: map_classes: {name}: the maps that are there have other '
                         f'classes: {", ".join(before)}')
    content.setdefault('map_classes', {})[name] = list(task.classes)


def _with_categories(content: dict[str, Any], teachers: Teachers) -> dict[str, int]:
    """Add the categories that the file lacks; return the ids of all by name."""
    ids = {category['name']: category['id'] for category in content['categories']}
    for name in teachers.classes:
        if name not in ids:
            ids[name] = max(ids.values(), default=0) + 1
            content['categories'].append({'id': ids[name], 'name': name})
    for category in content['categories']:
        if teachers.people and category['name'] == PERSON and not category.get('keypoints'):
            category['keypoints'] = list(teachers.skeleton.keypoint_names)
            category['skeleton'] = [[a + 1, b + 1] for a, b in teachers.skeleton.edges]
    return ids


def _people(content: Mapping[str, Any], ids: Mapping[str, int]) -> dict[int, list[dict[str, Any]]]:
    """Return the single people without joints that the file has, by image."""
    people: dict[int, list[dict[str, Any]]] = {}
    for entry in content['annotations']:
        if entry['category_id'] == ids.get(PERSON) and not (
                entry.get('iscrowd') or any(entry.get('keypoints') or ())):
            people.setdefault(entry['image_id'], []).append(entry)
    return people


def _enter(content: dict[str, Any], records: Sequence[Record], done: Mapping[int, Any]) -> None:
    """Enter the labels of all images, in the order of the records, so that the ids tell."""
    images = {entry['id']: entry for entry in content['images']}
    known = {entry['id']: entry for entry in content['annotations']}
    number = max(known, default=0)
    for record in records:
        labels = done[record.image_id]
        images[record.image_id].update(labels['image'])
        for annotation_id, joints in labels['joints']:
            known[annotation_id].update(joints)
        for entry in labels['objects']:
            number += 1
            content['annotations'].append({'id': number, 'image_id': record.image_id, **entry})
