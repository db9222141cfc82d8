# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scenes written to a folder as a COCO data set."""

import json
import os
from pathlib import Path
import re
from typing import Any

import cv2
from tqdm import tqdm

from mcn_ros.data.synthetic.recipes import EVERYDAY, Recipe
from mcn_ros.data.synthetic.scenes import CATEGORY_IDS, scene
from mcn_ros.geometry import Size
from mcn_ros.vocabulary import COCO_SKELETON

ANNOTATIONS = 'annotations.json'
IMAGES = 'images'
DESCRIPTION = 'Scenes drawn by mcn_ros synthesize'

# Marks a folder in which scenes are being written, and becomes the annotation file at the end.
PARTIAL = ANNOTATIONS + '.part'

_IMAGE_NAME = re.compile(r'\d{8}\.jpg')


def write_dataset(folder: Path, count: int, seed: int, size: Size, recipe: Recipe = EVERYDAY,
                  progress: bool = False) -> None:
    """
    Write images/*.jpg and annotations.json.

    Scene i depends on (seed, i, size, recipe) only, so a larger set starts with the smaller one.
    The annotation file appears last and at once: where it is, the set is complete.

    :param folder: new, empty, or written by this function before.
    :param count: number of scenes.
    :param seed: >= 0.
    :param size: (height, width) of the images.
    :param recipe: what the scenes are made of.
    :param progress: show a progress bar.
    :raises ValueError: if the folder has anything else in it.
    """
    _claim(folder)
    file: dict[str, Any] = {
        'info': {'description': DESCRIPTION, 'seed': seed, 'size': list(size)},
        'licenses': [], 'categories': categories(recipe), 'images': [], 'annotations': []}
    for index in tqdm(range(count), 'scenes', disable=not progress):
        image, annotations = scene((seed, index), size, recipe)
        name = f'{index + 1:08d}.jpg'
        encoded, data = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
                                     (cv2.IMWRITE_JPEG_QUALITY, 92))
        assert encoded, name
        (folder / IMAGES / name).write_bytes(data.tobytes())
        file['images'].append({'id': index + 1, 'file_name': name,
                               'width': size[1], 'height': size[0]})
        for annotation in annotations:
            number = len(file['annotations']) + 1
            file['annotations'].append({'id': number, 'image_id': index + 1, **annotation})
    (folder / PARTIAL).write_text(json.dumps(file, separators=(',', ':')))
    os.replace(folder / PARTIAL, folder / ANNOTATIONS)


def categories(recipe: Recipe) -> list[dict[str, Any]]:
    """Return the categories of the annotation file, with COCO's ids."""
    entries: list[dict[str, Any]] = [{'id': number, 'name': name}
                                     for name, number in CATEGORY_IDS.items()
                                     if name in recipe.categories]
    for entry in entries:
        if entry['name'] == 'person':
            entry['keypoints'] = list(COCO_SKELETON.keypoint_names)
            entry['skeleton'] = [[a + 1, b + 1] for a, b in COCO_SKELETON.edges]
    return entries


def _claim(folder: Path) -> None:
    """Empty a folder of earlier scenes and mark it; leave everything else alone."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f'{folder}: is not a folder')
    if folder.exists() and any(folder.iterdir()) and not _is_ours(folder):
        raise ValueError(f'{folder}: is not empty, and what is in it was not written by '
                         'synthesize; choose another folder')
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    (folder / PARTIAL).touch()
    (folder / ANNOTATIONS).unlink(missing_ok=True)
    for image in (folder / IMAGES).iterdir():
        image.unlink()


def _is_ours(folder: Path) -> bool:
    if not {path.name for path in folder.iterdir()} <= {ANNOTATIONS, PARTIAL, IMAGES}:
        return False
    images = folder / IMAGES
    if images.exists() and not (images.is_dir() and all(
            _IMAGE_NAME.fullmatch(path.name) for path in images.iterdir())):
        return False
    if (folder / PARTIAL).exists():
        return True
    try:
        info = json.loads((folder / ANNOTATIONS).read_bytes())['info']
        return info['description'] == DESCRIPTION
    except (OSError, ValueError, LookupError, TypeError):
        return False
