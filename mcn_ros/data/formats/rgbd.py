# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Distances that a depth camera has measured, and where the surfaces face that it saw."""

from functools import partial
import math
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np
import yaml

from mcn_ros.config import brief
from mcn_ros.data.formats.content import Content, Labelling
from mcn_ros.data.formats.normals import Intrinsics, surface_normals
from mcn_ros.data.formats.pairs import find_pairs, Pair
from mcn_ros.data.maps import read_depth
from mcn_ros.geometry import Size

UNKNOWN = 65535  # as 0: cameras write the one or the other
RADIUS = 10
KEYS = 'fx', 'fy', 'cx', 'cy'


def read(images: Path, depth: Path, intrinsics: Path, *, tasks: Sequence[str], only: str,
         radius: int = RADIUS) -> Content:
    """
    Read distances, registered to the images, and compute normals.

    :param depth: folder of gray PNG files of 16 bit, 0 or 65535 where unknown; the unit does not
        matter.
    :param intrinsics: YAML or JSON file with ``fx fy cx cy`` in pixels, the centre of the first
        at (0, 0): of all images, or for each name of an image.
    :param radius: pixels; planes are fitted to what is so near.
    """
    if radius < 1:
        raise ValueError(f'radius: expected pixels from 1 on, got {radius}')
    cameras = _load(intrinsics)
    describe = partial(_read, cameras=cameras, path=intrinsics, tasks=tasks, radius=radius)
    return Content(find_pairs(images, depth, only), describe)


def _read(pair: Pair, cameras: Mapping[str, Any], path: Path, tasks: Sequence[str],
          radius: int) -> Labelling:
    camera = _camera(cameras, pair.name, pair.size, path)
    depth = read_depth(pair.labels, pair.size)
    metres = np.where((depth > 0) & (depth < UNKNOWN), depth, np.nan)
    normals = surface_normals(metres, camera, radius)
    if np.isnan(normals).all():
        raise ValueError(f'{pair.labels}: no surface is found in it')
    known = np.isfinite(normals).all(axis=2, keepdims=True)
    colors = np.where(known, np.rint(127.5 * (1 + np.nan_to_num(normals))), 0).astype(np.uint8)
    return Labelling(dict.fromkeys(tasks, colors), keys={'camera': camera._asdict()})


def _load(path: Path) -> Mapping[str, Any]:
    try:
        cameras = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror})') from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f'{path}: is no YAML ({" ".join(str(error).split())})') from error
    if not isinstance(cameras, dict):
        raise ValueError(f'{path}: expected {", ".join(KEYS)}, got {brief(cameras)}')
    return cameras


def _camera(cameras: Mapping[str, Any], name: str, size: Size, path: Path) -> Intrinsics:
    """Return the camera of an image; ValueError for none, or one of another size."""
    camera, where = (cameras, path) if 'fx' in cameras else (
        cameras.get(name), f'{path}: {name}')
    if not isinstance(camera, dict):
        raise ValueError(f'{where}: expected {", ".join(KEYS)}, got {brief(camera)}')
    values = [camera.get(key) for key in KEYS]
    if not all(type(value) in (int, float) and math.isfinite(value) for value in values) or min(
            values[:2]) <= 0:
        raise ValueError(f'{where}: expected numbers {", ".join(KEYS)}, got {brief(camera)}')
    of = camera.get('height', size[0]), camera.get('width', size[1])
    if of != size:
        raise ValueError(f'{where}: (height, width) is {of}, of the image {size}')
    return Intrinsics(*map(float, values))
