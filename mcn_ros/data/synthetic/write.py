# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scenes written to a folder as a COCO data set."""

import json
import os
from pathlib import Path
import re
from typing import Any, Collection, Iterable, Iterator, Sequence, TypeVar

import cv2
import numpy as np
from tqdm import tqdm

from mcn_ros.data.synthetic.camera import Camera
from mcn_ros.data.synthetic.maps import MAPS, PARTS, region_categories
from mcn_ros.data.synthetic.recipes import EVERYDAY, Recipe
from mcn_ros.data.synthetic.scenes import draw_scene
from mcn_ros.data.synthetic.view import CATEGORY_IDS, View
from mcn_ros.geometry import Size
from mcn_ros.vocabulary import COCO_SKELETON

V = TypeVar('V')

ANNOTATIONS = 'annotations.json'
IMAGES = 'images'
DESCRIPTION = 'Scenes drawn by mcn_ros synthesize'

# Marks a folder in which scenes are being written, and becomes the annotation file at the end.
PARTIAL = ANNOTATIONS + '.part'

# What lies in the folders.
_NAMES = {IMAGES: re.compile(r'\d{8}\.jpg'), **dict.fromkeys(MAPS, re.compile(r'\d{8}\.png'))}


def write_dataset(folder: Path, count: int, seed: int, size: Size, recipe: Recipe = EVERYDAY,
                  maps: Collection[str] = tuple(MAPS), progress: bool = False,
                  weathers: Sequence[str] = ('clear',)) -> None:
    """
    Write images/*.jpg, maps in folders of their names, and annotations.json.

    Scene i depends on (seed, i, size, recipe) only, so a larger set starts with the smaller one;
    and how it looks on the weather.
    The annotation file appears last and at once: where it is, the set is complete.

    :param folder: new, empty, or written by this function before.
    :param count: number of scenes.
    :param seed: >= 0.
    :param size: (height, width) of the images.
    :param recipe: what the scenes are made of.
    :param maps: of ``MAPS``.
    :param progress: show a progress bar.
    :param weathers: of ``WEATHERS``, which take turns.
    :raises ValueError: if the folder has anything else in it.
    """
    days = [weathers[index % len(weathers)] for index in range(count)]
    views = ((*draw_scene((seed, index), size, recipe, day), weather_keys(day), {})
             for index, day in enumerate(days))
    info = {'description': DESCRIPTION, 'seed': seed, 'size': list(size)}
    write_views(folder, counted(views, 'scenes', count, progress), info, recipe, maps)


def weather_keys(weather: str) -> dict[str, str]:
    """Return the keys of an image's entry that tell of bad weather."""
    return {} if weather == 'clear' else {'weather': weather}


def counted(views: Iterable[V], unit: str, count: int, progress: bool) -> Iterator[V]:
    """Yield views with a progress bar, which begins with the first of them."""
    yield from tqdm(views, unit, count, disable=not progress)


def write_views(folder: Path, views: Iterable[tuple[np.ndarray, View, dict, dict]],
                info: dict[str, Any], recipe: Recipe, maps: Collection[str]) -> None:
    """
    Write views as a data set, see :func:`write_dataset`.

    :param views: image, view, more keys of the image's entry, and more keys of annotations by the
        number of the thing.
    :param info: what the annotation file says of itself.
    """
    _claim(folder, maps)
    file: dict[str, Any] = {'info': info, 'licenses': [], 'categories': categories(recipe),
                            'images': [], 'annotations': []}
    if 'parts' in maps:
        file['map_classes'] = {'parts': list(PARTS)}
    for number, (image, view, keys, more) in enumerate(views, 1):
        name = f'{number:08d}.jpg'
        _write(folder / IMAGES / name, cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
               (cv2.IMWRITE_JPEG_QUALITY, 92))
        file['images'].append({
            'id': number, 'file_name': name, 'width': image.shape[1], 'height': image.shape[0],
            'camera': intrinsics(view.camera), **_write_maps(folder, number, view, maps), **keys})
        for thing in range(1, len(view.items) + 1):
            annotation = view.annotate(thing)
            if annotation is not None:
                file['annotations'].append({'id': len(file['annotations']) + 1,
                                            'image_id': number, **annotation,
                                            **more.get(thing, {})})
    (folder / PARTIAL).write_text(json.dumps(file, separators=(',', ':')))
    os.replace(folder / PARTIAL, folder / ANNOTATIONS)


def intrinsics(camera: Camera) -> dict[str, float]:
    """Return focal lengths and principal point, pixels; the centre of the first is (0, 0)."""
    height, width = camera.size
    return {'fx': camera.focal, 'fy': camera.focal, 'cx': (width - 1) / 2, 'cy': (height - 1) / 2}


def _write_maps(folder: Path, number: int, view: View, maps: Collection[str]) -> dict[str, Any]:
    """Write maps of a view; return the keys of the image's entry that tell of them."""
    names: dict[str, str] = {}
    for kind in maps:
        draw, tasks = MAPS[kind]
        pixels = draw(view)
        if pixels is not None:
            name = f'{kind}/{number:08d}.png'
            _write(folder / name, pixels[..., ::-1] if pixels.ndim == 3 else pixels)
            names.update(dict.fromkeys(tasks, name))
    keys: dict[str, Any] = {'maps': names} if names else {}
    return {**keys, 'region_categories': region_categories(view)} if 'regions' in maps else keys


def _write(path: Path, pixels: np.ndarray, options: tuple[int, ...] = ()) -> None:
    encoded, data = cv2.imencode(path.suffix, pixels, options)
    assert encoded, path
    path.write_bytes(data.tobytes())


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


def _claim(folder: Path, maps: Collection[str]) -> None:
    """Empty a folder of earlier scenes and mark it; leave everything else alone."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f'{folder}: is not a folder')
    if folder.exists() and any(folder.iterdir()) and not _is_ours(folder):
        raise ValueError(f'{folder}: is not empty, and what is in it was not written by '
                         'synthesize; choose another folder')
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PARTIAL).touch()
    (folder / ANNOTATIONS).unlink(missing_ok=True)
    for name in _NAMES:
        if (folder / name).exists():
            for file in (folder / name).iterdir():
                file.unlink()
            (folder / name).rmdir()
    for name in (IMAGES, *maps):
        (folder / name).mkdir()


def _is_ours(folder: Path) -> bool:
    if not {path.name for path in folder.iterdir()} <= {ANNOTATIONS, PARTIAL, *_NAMES}:
        return False
    for name, names in _NAMES.items():
        if (folder / name).exists() and not ((folder / name).is_dir() and all(
                names.fullmatch(path.name) for path in (folder / name).iterdir())):
            return False
    if (folder / PARTIAL).exists():
        return True
    try:
        info = json.loads((folder / ANNOTATIONS).read_bytes())['info']
        return info['description'] == DESCRIPTION
    except (OSError, ValueError, LookupError, TypeError):
        return False
