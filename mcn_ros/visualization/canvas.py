# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is drawn on, and with what."""

from dataclasses import dataclass
import math
from typing import TypeVar

import numpy as np

from mcn_ros.colors import Color
from mcn_ros.structures import select

S = TypeVar('S')

SMALLEST_FONT = 0.27  # letters of 7 pixels; smaller ones cannot be told apart
SHIFT = 4  # binary digits after the point in the coordinates that OpenCV is given


@dataclass(frozen=True)
class Style:
    """
    Sizes that suit an image.

    :param line: width of lines in pixels.
    :param rim: how much wider their dark rim is; it sets them off from a picture of their colour.
    :param font: scale of OpenCV's font.
    """

    line: int
    rim: int
    font: float

    @classmethod
    def of_image(cls, image: np.ndarray) -> 'Style':
        """Return sizes in proportion to the image, but never too small to see or to read."""
        unit = math.sqrt(image.shape[0] * image.shape[1]) / 550
        line = max(1, round(1.5 * unit))
        # The rim of a thin line would be most of what is seen, and would hide its colour.
        return cls(line, 2 if line > 1 else 0, max(SMALLEST_FONT, 0.42 * unit))

    @property
    def stroke(self) -> int:
        """Return the width of the lines of a letter."""
        return max(1, round(1.6 * self.font))


@dataclass(frozen=True)
class Canvas:
    """
    A picture in the making.

    :param pixels: (H, W, 3) uint8 RGB, drawn on in place.
    :param style: sizes that suit it.
    :param score_threshold: objects, people and lines of a class below are not drawn.
    :param keypoint_threshold: joints below are not drawn.
    :param boxes: whether there are boxes with names, so that areas need none.
    """

    pixels: np.ndarray
    style: Style
    score_threshold: float
    keypoint_threshold: float
    boxes: bool

    def certain(self, objects: S) -> S:
        """Return the objects that pass the threshold, the surest last."""
        objects = select(objects, objects.scores >= self.score_threshold)
        return select(objects, np.argsort(objects.scores, kind='stable'))

    def blend(self, colors: np.ndarray, shares: np.ndarray) -> None:
        """
        Mix colours into the picture.

        :param colors: (H, W, 3) or (3,), 0..255.
        :param shares: (H, W) float32 0..1, how much of a pixel is to have its colour.
        """
        self.pixels[:] = np.rint(self.pixels + shares[..., None] * (colors - self.pixels))

    def near(self, point: np.ndarray, scale: int = 1) -> tuple[int, int]:
        """Return a point as integers; far outside it is pulled nearer, as OpenCV's overflow."""
        limit = 8 * scale * max(self.pixels.shape)
        x, y = np.clip(point, -limit, limit)
        return round(float(x)), round(float(y))

    def fixed(self, point: np.ndarray) -> tuple[int, int]:
        """Return a point as fixed-point numbers that count from the middle of the first pixel."""
        scale = 1 << SHIFT
        return self.near((point - 0.5) * scale, scale)


def rgb(color: np.ndarray) -> Color:
    """Return a colour as OpenCV takes it."""
    return tuple(int(value) for value in color)
