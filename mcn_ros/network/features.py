# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Features: the named maps that a trunk gives a task, and what their shapes are."""

from dataclasses import dataclass
import re
from typing import Mapping, Sequence

from torch import Tensor

from mcn_ros.geometry import STRIDE

FEATURES = 'features'  # the map that most trunks have, of stride 4
DENSE = 'dense'  # another of stride 4, for what says something of every pixel
READINGS = 'readings'  # what a detector in the trunk says, see mcn_ros.network.nanodet
# The levels of a pyramid (Lin et al., "Feature Pyramid Networks", CVPR 2017) -> strides, 2 to
# the power of the number.
PYRAMID = {'p3': 8, 'p4': 16, 'p5': 32, 'p6': 64}
_STAGE = re.compile(r'stage_(\d+)_scale_(\d+)')  # see :func:`stage_of`


@dataclass(frozen=True)
class MapShape:
    """
    The shape of a map (B, channels, H / stride, W / stride) for images (B, 3, H, W).

    Where a stride does not divide a side, there is a cell more.

    :param channels: of the map.
    :param stride: input pixels per cell.
    """

    channels: int
    stride: int


Features = Mapping[str, Tensor]
Shapes = Mapping[str, MapShape]


def single(channels: int) -> dict[str, MapShape]:
    """Return the shapes of features that are one map of stride 4."""
    return {FEATURES: MapShape(channels, STRIDE)}


def pyramid(channels: int) -> dict[str, MapShape]:
    """Return the shapes of the maps of :data:`PYRAMID`."""
    return {level: MapShape(channels, stride) for level, stride in PYRAMID.items()}


def stage_of(number: int, scale: int) -> str:
    """Return the name of the map of a stage, from 1, of an image that is smaller by a factor."""
    return f'stage_{number}_scale_{scale}'


def skips(shapes: Shapes) -> dict[int, dict[int, MapShape]]:
    """
    Return the shapes of the maps of stages, see :func:`stage_of`.

    :return: scale -> number of the stage -> shape; nothing where there are no such maps.
    """
    found: dict[int, dict[int, MapShape]] = {}
    for name, shape in shapes.items():
        if match := _STAGE.fullmatch(name):
            number, scale = map(int, match.groups())
            found.setdefault(scale, {})[number] = shape
    return found


def pick(shapes: Shapes, name: str, stride: int = STRIDE) -> MapShape:
    """
    Return the shape of a map that a head reads.

    :raises ValueError: if there is no such map, or it is of another stride.
    """
    if name not in shapes and skips(shapes):
        raise ValueError(f'no features {name!r}: the stages of a trunk of kind skip, or of a '
                         'stream with scales, are read by tasks that say something of every pixel '
                         'only; others need another stream, or a trunk of kind shared, separate, '
                         'branched, cross_stitch, cross_connected or decoded')
    if name not in shapes:
        raise ValueError(f'no features {name!r} (the trunk has {", ".join(shapes)})')
    if shapes[name].stride != stride:
        raise ValueError(f'features {name!r} of stride {shapes[name].stride}, not {stride}')
    return shapes[name]


def take(features: Features, rows: Tensor) -> dict[str, Tensor]:
    """Return the features of some images: (b,) int64 rows of every map."""
    return {name: values.index_select(0, rows) for name, values in features.items()}


def pyramid_levels(strides: Sequence[int], exactly: Sequence[int] = ()) -> list[int]:
    """
    Return the indices of the stages of stride 4, 8, 16, ...; finer ones are not used.

    :param strides: of all stages of a backbone.
    :param exactly: what the strides of these stages have to be; () for any.
    :raises ValueError: if there are not at least two, one is left out, or they are others.
    """
    found = [index for index, stride in enumerate(strides) if stride >= STRIDE]
    used = [strides[level] for level in found]
    if len(used) < 2 or used != [STRIDE * 2 ** index for index in range(len(used))]:
        raise ValueError(f'stages of strides {tuple(strides)}: this neck needs 4, 8, 16, ...')
    if exactly and used != list(exactly):
        raise ValueError(f'stages of strides {tuple(strides)}: this neck needs '
                         f'{", ".join(map(str, exactly))}')
    return found
