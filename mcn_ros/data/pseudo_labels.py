# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Boxes found by a teacher in the place of labels that images lack.

What the teacher is sure of becomes an object. What it is less sure of becomes a crowd: neither an
object nor background. The rest becomes background.
"""

from collections.abc import Iterator
import json
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import numpy as np
from tqdm import tqdm

from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.coco_file import CocoFile, read_coco, Record
from mcn_ros.data.labels import MAPPED, MASKED
from mcn_ros.structures import Instances, Poses
from mcn_ros.tasks import TASKS

# What ``labelled`` calls objects with boxes.
BOXES = tuple(kind for kind, task in TASKS.items() if task.annotation is Instances)

# Types whose labels are those of objects, by class.
OBJECTS = (Instances, Poses, *MASKED)

# Smaller boxes, in pixels of a side, are what clipping left of an object.
MIN_SIDE = 1.0


def add_pseudo_labels(annotations: Path | str, images: Path | str,
                      teacher: Callable[[np.ndarray], Instances], classes: Sequence[str],
                      keep: float, unsure: float, progress: bool = False) -> dict[str, Any]:
    """
    Label the images of an annotation file for the detection of all classes of a teacher.

    What is in the file stays as it is. A class gets boxes in the images where it is labelled for
    no task: one more person, without joints and mask, would spoil an image labelled with poses.

    :param annotations: COCO file.
    :param images: folder that holds the image files.
    :param teacher: (H, W, 3) uint8 RGB -> objects in camera pixels.
    :param classes: class names of the teacher; those that the file lacks are added to it.
    :param keep: boxes of at least this score become objects.
    :param unsure: other boxes of at least this score become crowds.
    :param progress: show a progress bar, if standard error is a terminal.
    :return: content of the new file; the annotations that were added have a ``score``.
    :raises ValueError: for a bad file, and for an image that is missing or not of its stated size.
    """
    file, dataset = read_coco(annotations), CocoDataset(annotations, images, {})
    content = json.loads(file.path.read_bytes())
    ids = _with_categories(content, classes)
    entries = {entry['id']: entry for entry in content['images']}
    number = max((annotation['id'] for annotation in content['annotations']), default=0)
    for index, record in enumerate(tqdm(file.records, unit='image',
                                        disable=None if progress else True)):
        lacking = [name for name in classes if not _is_labelled(file, record, name)]
        if not lacking:
            continue
        entries[record.image_id]['labelled'] = _labelled(file, record, lacking, ids)
        categories = {i: ids[name] for i, name in enumerate(classes) if name in lacking}
        for box in _boxes(teacher(dataset[index].image), categories, keep, unsure):
            number += 1
            content['annotations'].append({'id': number, 'image_id': record.image_id, **box})
    return content


def _with_categories(content: dict[str, Any], classes: Sequence[str]) -> dict[str, int]:
    """Add the categories that the file lacks; return the ids of all by name."""
    ids = {category['name']: category['id'] for category in content['categories']}
    for name in classes:
        if name not in ids:
            ids[name] = max(ids.values(), default=0) + 1
            content['categories'].append({'id': ids[name], 'name': name})
    return ids


def _boxes(found: Instances, categories: Mapping[int, int], keep: float, unsure: float,
           ) -> Iterator[dict[str, Any]]:
    """Yield annotations of the objects whose class, by index, is among the categories."""
    for box, index, score in zip(found.boxes, found.classes.tolist(), found.scores):
        width, height = box[2:] - box[:2]
        if index in categories and score >= unsure and min(width, height) >= MIN_SIDE:
            numbers = [round(float(value), 2) for value in (*box[:2], width, height)]
            yield {'category_id': categories[index], 'bbox': numbers,
                   'area': round(float(width * height), 2), 'iscrowd': int(score < keep),
                   'score': round(float(score), 4)}


def _entries(record: Record) -> tuple[str, ...]:
    """Return what is labelled in an image; without the key, whatever can be."""
    return (*TASKS, *record.maps) if record.labelled is None else record.labelled


def _is_labelled(file: CocoFile, record: Record, name: str) -> bool:
    """Return whether anything about a class is labelled in an image; maps tell of no objects."""
    tasks = {entry.partition(':')[0] for entry in _entries(record)} - record.maps.keys()
    return name in file.named(record, *tasks)


def _labelled(file: CocoFile, record: Record, added: Sequence[str], ids: Mapping[str, int],
              ) -> list[str]:
    """
    Return what is labelled in an image once it has pseudo-labels.

    :param added: classes with pseudo-labels.
    :param ids: all classes of the new file.
    """
    detected = file.named(record, *BOXES).union(added)
    names = BOXES[:1] if detected == ids.keys() else [f'{BOXES[0]}:{c}' for c in detected]
    return sorted({*names, *_beside(file, record)})


def _beside(file: CocoFile, record: Record) -> Iterator[str]:
    """Yield what is labelled beside boxes, by class: classes that are added are not."""
    bare = {category for category, mask in zip(record.categories, record.masks) if mask is None}
    for entry in _entries(record):
        task, _, name = entry.partition(':')
        kind = TASKS[task].annotation if task in TASKS else None
        if task in record.maps or kind not in (*OBJECTS, *MAPPED):
            yield entry
        elif task not in BOXES and kind in OBJECTS:
            for known in [name] if name else file.classes:
                if kind not in MASKED or file.masked and file.classes[known] not in bare:
                    yield f'{task}:{known}'
