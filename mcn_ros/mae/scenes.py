# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Drawn scenes whose segments are known, to measure what relations of patches are worth.

In coloured ones, shapes differ from the ground by colour, so that colour alone tells them. In
textured ones all have the same mean colour, and only the pattern tells.
"""

from functools import partial
import json
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from tqdm import tqdm

from mcn_ros.data.masks import encode_mask
from mcn_ros.files import new_folder

Kind = Literal['coloured', 'textured']
KINDS: tuple[Kind, ...] = ('coloured', 'textured')
IMAGES, ANNOTATIONS, SHAPE = 'images', 'annotations.json', 'shape'

SIDE = 48  # of a scene, in pixels
MOST = {'coloured': 3, 'textured': 2}  # shapes of a scene
SIZES = 0.33, 0.6  # of a shape, as a share of the side of the scene
CONTRAST = 90.0  # least distance of the colours of two segments, in grey levels
HIDDEN = 0.1  # share of a shape that a later one may cover
PERIODS = 4.0, 6.0  # of stripes and blobs, in pixels
STRENGTH = 55.0  # of a pattern where there is nothing else, in grey levels
FAINT = 18.0  # of a pattern on coloured shapes


def draw_scene(kind: Kind, random: np.random.Generator, side: int = SIDE,
               ) -> tuple[np.ndarray, np.ndarray]:
    """
    Draw a scene.

    :param kind: how shapes differ from the ground.
    :param random: where chance comes from.
    :param side: of the scene, in pixels.
    :return: (side, side, 3) uint8 RGB, and (side, side) uint8 segments: 0 the ground, 1, 2, ...
        the shapes.
    """
    segments = _place(random, int(random.integers(1, MOST[kind] + 1)), side)
    count = int(segments.max()) + 1
    if kind == 'coloured':
        colours = _distinct_colours(random, count)
        strengths = random.choice([0.0, FAINT], count)
    else:
        colours = np.repeat(random.uniform(90, 165, (1, 3)), count, axis=0)
        strengths = np.full(count, STRENGTH)
    image = np.zeros((side, side, 3))
    for segment, pattern in enumerate(random.permutation(len(PATTERNS))[:count]):
        where = segments == segment
        values = PATTERNS[pattern](random, side)[where]
        values = strengths[segment] * (values - values.mean())  # the mean colour stays exact
        image[where] = colours[segment] + values[:, None]
    return np.rint(image).clip(0, 255).astype(np.uint8), segments


def _place(random: np.random.Generator, count: int, side: int) -> np.ndarray:
    """Place shapes that hardly cover each other; return their numbers, (side, side) uint8."""
    segments = np.zeros((side, side), np.uint8)
    number = 1
    for _ in range(20 * count):  # attempts
        shape = _shape(random, side)
        if (segments[shape] > 0).mean() <= HIDDEN:
            segments[shape] = number
            number += 1
        if number > count:
            break
    return segments


def _shape(random: np.random.Generator, side: int) -> np.ndarray:
    """Return where an ellipse, a rectangle or a triangle is, (side, side) bool."""
    mask = np.zeros((side, side), np.uint8)
    size = random.uniform(*SIZES, 2) * side
    centre = random.uniform(0.25, 0.75, 2) * side
    angle = random.uniform(0, 180)
    kind = random.integers(3)
    if kind == 0:
        cv2.ellipse(mask, (tuple(centre), tuple(size), angle), 1, -1)
    elif kind == 1:
        corners = cv2.boxPoints((tuple(centre), tuple(size), angle))
        cv2.fillConvexPoly(mask, np.rint(corners).astype(np.int32), 1)
    else:
        turns = np.radians(angle + np.array([0, 120, 240]))
        corners = centre + 0.6 * size * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        cv2.fillConvexPoly(mask, np.rint(corners).astype(np.int32), 1)
    return mask > 0


def _distinct_colours(random: np.random.Generator, count: int) -> np.ndarray:
    """Return (count, 3) RGB, each two of them well apart."""
    colours = random.uniform(FAINT, 255 - FAINT, (1, 3))
    while len(colours) < count:
        colour = random.uniform(FAINT, 255 - FAINT, 3)
        if np.linalg.norm(colours - colour, axis=1).min() >= CONTRAST:
            colours = np.vstack([colours, colour])
    return colours


def _stripes(angle: float, random: np.random.Generator, side: int) -> np.ndarray:
    y, x = np.indices((side, side))
    place = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    return np.sin(2 * np.pi * (place / random.uniform(*PERIODS) + random.random()))


def _blobs(random: np.random.Generator, side: int) -> np.ndarray:
    noise = cv2.GaussianBlur(random.standard_normal((side, side)), (0, 0), PERIODS[0] / 4)
    return np.clip(noise / noise.std() / np.sqrt(2), -1, 1)


# (random, side) -> (side, side) in -1..1
PATTERNS = (*(partial(_stripes, angle) for angle in (0, 45, 90, 135)), _blobs)


def write_scenes(folder: Path, kind: Kind, count: int, seed: int, side: int = SIDE) -> None:
    """
    Write scenes as images/*.png, and their shapes as masks of a COCO file, annotations.json.

    Scene i depends on (kind, seed, i, side) only, so a larger set starts with the smaller one.

    :param folder: is made, and there when it is complete.
    :param kind: see :func:`draw_scene`.
    :param count: number of scenes.
    :param seed: not negative.
    :param side: of the scenes, in pixels.
    :raises ValueError: if the folder is there already.
    """
    file: dict[str, Any] = {'images': [], 'annotations': [],
                            'categories': [{'id': 1, 'name': SHAPE}]}
    with new_folder(folder) as partial:
        (partial / IMAGES).mkdir(parents=True)
        for index in tqdm(range(count), unit='scene', disable=None):
            image, segments = draw_scene(kind, np.random.default_rng((seed, index)), side)
            name, number = f'{index + 1:06}.png', index + 1
            data = cv2.imencode('.png', image[..., ::-1])[1].tobytes()
            (partial / IMAGES / name).write_bytes(data)
            file['images'].append({'id': number, 'file_name': name, 'height': side, 'width': side,
                                   'labelled': ['foreground']})
            for segment in range(1, int(segments.max()) + 1):
                file['annotations'].append({
                    'id': len(file['annotations']) + 1, 'image_id': number, 'category_id': 1,
                    'iscrowd': 0, **encode_mask(segments == segment)})
        (partial / ANNOTATIONS).write_text(json.dumps(file, separators=(',', ':')))
