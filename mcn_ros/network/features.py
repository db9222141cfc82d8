# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Features: the named maps that a trunk gives a task, and what their shapes are."""

from dataclasses import dataclass
from typing import Mapping

from torch import Tensor

from mcn_ros.geometry import STRIDE

FEATURES = 'features'  # the map that most trunks have, of stride 4
READINGS = 'readings'  # what a detector in the trunk says, see mcn_ros.network.nanodet

# Maps of a pyramid -> input pixels per cell, which is 2 to the power of the number.
PYRAMID = {'p3': 8, 'p4': 16, 'p5': 32, 'p6': 64}


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


def pick(shapes: Shapes, name: str, stride: int = STRIDE) -> MapShape:
    """
    Return the shape of a map that a head reads.

    :raises ValueError: if there is no such map, or it is of another stride.
    """
    if name not in shapes:
        raise ValueError(f'no features {name!r} (the trunk has {", ".join(shapes)})')
    if shapes[name].stride != stride:
        raise ValueError(f'features {name!r} of stride {shapes[name].stride}, not {stride}')
    return shapes[name]


def take(features: Features, rows: Tensor) -> dict[str, Tensor]:
    """Return the features of some images: (b,) int64 rows of every map."""
    return {name: values.index_select(0, rows) for name, values in features.items()}
