# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scenes of flat people before a wall, as a depth camera would see them."""

from typing import Sequence

import numpy as np

from mcn_ros.geometry import Size
from mcn_ros.spatial.camera_model import CameraModel
from mcn_ros.spatial.subjects import Mask
from mcn_ros.spatial.surface import Surface
from mcn_ros.structures import Instances
from mcn_ros.vocabulary import PERSON

CAMERA = CameraModel((240, 320), 300.0, 310.0, 161.0, 118.0)
CLASSES = PERSON, 'chair'
WALL = 6.0  # metres

# Left, top, right and bottom in pixels, and metres.
Person = tuple[int, int, int, int, float]


def scene(people: Sequence[Person], wall: float = WALL, noise: float = 0.0,
          size: Size = CAMERA.size) -> tuple[np.ndarray, np.ndarray]:
    """
    Paint people; the nearer ones hide the others.

    :param wall: metres to what is behind them.
    :param noise: metres, standard deviation of each pixel.
    :return: depth (H, W) float32, and labels (H, W) uint8 with 1 where there is a person.
    """
    depth = np.full(size, wall, np.float32)
    labels = np.zeros(size, np.uint8)
    for left, top, right, bottom, metres in sorted(people, key=lambda person: -person[4]):
        depth[top:bottom, left:right] = metres
        labels[top:bottom, left:right] = 1
    depth += np.random.default_rng(0).normal(0, noise, size).astype(np.float32)
    return depth, labels


def surface(depth: np.ndarray) -> Surface:
    """Return what :data:`CAMERA` sees."""
    return Surface(depth, CAMERA.resize(depth.shape))


def mask(labels: np.ndarray, cell: int = 2) -> Mask:
    """Return labels as a mask of :data:`CLASSES`."""
    return Mask(labels, CLASSES, cell)


def objects(*boxes: Sequence[float], classes: Sequence[int] | None = None) -> Instances:
    """Return certain objects with boxes, people if nothing else is said."""
    num = len(boxes)
    return Instances(np.array(boxes, np.float32).reshape(num, 4),
                     np.array(classes or [0] * num, np.int64), np.ones(num, np.float32))
