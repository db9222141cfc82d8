# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Views of an image: the inputs of a network that it becomes.

Source: the test modes of CenterNet ("Objects as Points", section 5, and its published code).
"""

from dataclasses import dataclass
from typing import get_args, Literal, Mapping, Sequence

import cv2
import numpy as np

from mcn_ros.geometry import compose, crop, resample, Resampling, scaling, Size
from mcn_ros.runtime.soft_nms import merge
from mcn_ros.structures import clip, Structure

Resolution = Literal['fixed', 'original']

# The sides of an input are multiples of this, and larger than those of the image in it.
STEP = 32


@dataclass(frozen=True)
class Placement:
    """
    Where an image lies in an input.

    :param scale: magnification that the image is brought to first.
    :param scaled: (height, width) that it has then.
    :param within: affine, pixels of the scaled image -> input pixels.
    :param size: (height, width) of the input.
    """

    scale: float
    scaled: Size
    within: np.ndarray
    size: Size

    @property
    def affine(self) -> np.ndarray:
        """Return the affine, camera pixels -> input pixels."""
        return compose(self.within, scaling(self.scale))

    def draw(self, image: np.ndarray, resampling: Resampling) -> np.ndarray:
        """
        Return the input.

        :param image: (H, W, 3) uint8.
        :param resampling: how; where pixels are squares it takes one step, else two as CenterNet.
        :return: (height, width, 3) uint8.
        """
        if resampling.squares:
            return resample(image, self.affine, self.size, resampling)
        if image.shape[:2] != self.scaled:
            image = cv2.resize(image, self.scaled[::-1])
        return resample(image, self.within, self.size, resampling)


@dataclass(frozen=True)
class Views:
    """
    Which views of an image a network looks at; by default the one that it has learned from.

    :param resolution: 'fixed', the image is fitted into the input that the weights are meant for;
        'original', its pixels stay as they are and lie in the middle of an input that has room
        for them. CenterNet's ``fix_res`` and ``keep_res``.
    :param scales: magnifications, one view for each. What is in several views is found several
        times, and sorted out by :func:`mcn_ros.runtime.soft_nms.merge`.
    :raises ValueError: for another resolution, no scale, or one that is not positive.
    """

    resolution: Resolution = 'fixed'
    scales: tuple[float, ...] = (1.0,)

    def __post_init__(self):
        if self.resolution not in get_args(Resolution):
            raise ValueError(f'resolution: {self.resolution!r} (known: '
                             f'{", ".join(get_args(Resolution))})')
        if not self.scales or not all(0 < scale < np.inf for scale in self.scales):
            raise ValueError(f'scales: {self.scales} are not positive numbers, at least one')

    def place(self, source: Size, target: Size, scale: float = 1.0) -> Placement:
        """
        Place an image in an input.

        :param source: (height, width) in camera pixels.
        :param target: (height, width) of the input that the weights are meant for.
        :param scale: one of ``scales``.
        """
        height, width = scaled = tuple(max(1, int(side * scale)) for side in source)
        if self.resolution == 'original':
            size = tuple((side // STEP + 1) * STEP for side in scaled)
            return Placement(scale, scaled, crop((width // 2, height // 2), 1.0, size), size)
        factor = min(target[0] / source[0], target[1] / source[1])
        within = crop(np.array([width, height]) / 2, factor, target)
        return Placement(scale, scaled, within, target)

    def finish(self, prediction: Structure, size: Size) -> Structure:
        """Return a prediction in camera pixels, its boxes cut at the border of the image."""
        return clip(prediction, size)

    def merge(self, predictions: Sequence[Mapping[str, Structure]]) -> Mapping[str, Structure]:
        """Put together what was found in each of several scales."""
        return merge(predictions)
