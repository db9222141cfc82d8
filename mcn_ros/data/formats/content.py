# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What labels of another format say of their images, written as a COCO file with maps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from mcn_ros.data.formats.pairs import Pair

ANNOTATIONS = 'annotations.json'


@dataclass(frozen=True)
class Labelling:
    """
    What labels say of an image.

    :param maps: task name -> pixels as :mod:`mcn_ros.data.maps` has them, colours in the order
        RGB. The image is labelled for these tasks, or for all where there are none.
    :param objects: keys of its annotations, but for their ids.
    :param keys: more keys of the image's entry.
    """

    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    objects: Sequence[Mapping[str, Any]] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """
    Labels that are still to be read.

    :param pairs: the images.
    :param read: returns what they say of an image; ValueError naming a bad file.
    :param classes: names of the categories, whose ids count from 1.
    :param map_classes: task name -> classes of the labels of its maps.
    """

    pairs: Sequence[Pair]
    read: Callable[[Pair], Labelling]
    classes: Sequence[str] = ()
    map_classes: Mapping[str, Sequence[str]] = field(default_factory=dict)


def write_content(folder: Path, content: Content) -> int:
    """
    Write annotations.json, and maps in folders of the names of their tasks.

    :param folder: is made.
    :return: number of the images.
    """
    folder.mkdir()
    file: dict[str, Any] = {
        'images': [], 'annotations': [],
        'categories': [{'id': number, 'name': name}
                       for number, name in enumerate(content.classes, 1)]}
    if content.map_classes:
        file['map_classes'] = {task: list(names) for task, names in content.map_classes.items()}
    for pair in tqdm(content.pairs, 'images', disable=None):
        _add(file, folder, pair, content.read(pair))
    (folder / ANNOTATIONS).write_text(json.dumps(file, separators=(',', ':')))
    return len(file['images'])


def _add(file: dict[str, Any], folder: Path, pair: Pair, labelling: Labelling) -> None:
    """Add the entry of an image with its annotations, and write its maps."""
    name = f'{pair.name}.png'
    number = len(file['images']) + 1
    entry = {'id': number, 'file_name': pair.image.name, 'height': pair.size[0],
             'width': pair.size[1], **labelling.keys}
    if labelling.maps:
        entry['labelled'] = list(labelling.maps)
        entry['maps'] = {task: f'{task}/{name}' for task in labelling.maps}
    for task, pixels in labelling.maps.items():
        _write(folder / task / name, pixels)
    file['images'].append(entry)
    for annotation in labelling.objects:
        file['annotations'].append(
            {'id': len(file['annotations']) + 1, 'image_id': number, **annotation})


def _write(path: Path, pixels: np.ndarray) -> None:
    encoded, data = cv2.imencode('.png', pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    assert encoded, path
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data.tobytes())
