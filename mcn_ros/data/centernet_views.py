# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Random views of a sample as CenterNet's code draws them, all with its numbers.

Source: X. Zhou, D. Wang, P. Kraehenbuehl, "Objects as Points", 2019, section 5, and their code.
The noise of the light is AlexNet's (A. Krizhevsky et al., NIPS 2012, section 4.1).
"""

from dataclasses import replace
from typing import Sequence

import cv2
import numpy as np

from mcn_ros.data.recolor import LUMA, mean_brightness
from mcn_ros.geometry import apply_affine, Resampling, Size
from mcn_ros.structures import Sample

# Width of a crop, relative to the longer side of its image; all are as likely.
SCALES = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)

# The middle of a crop is so many pixels inside of the image; fewer in a small one.
MARGIN = 128

# Probability of mirroring left and right.
FLIP = 0.5

# Largest relative change of brightness, contrast and saturation; they come in any order.
CHANGES = ('brightness', 'contrast', 'saturation')
LARGEST_CHANGE = 0.4

# How colours vary from photograph to photograph, as variances along three axes (the columns of
# AXES; rows are red, green and blue), and what share of that the light of a view may vary.
VARIANCES = np.array([0.2141788, 0.01817699, 0.00341571])
AXES = np.array([[-0.56089297, 0.71832671, 0.41158938],
                 [-0.5832747, 0.00994535, -0.81221408],
                 [-0.58752847, -0.69563484, 0.41340352]])
LIGHT = 0.1


def centernet_view(sample: Sample, size: Size, rng: np.random.Generator,
                   resampling: Resampling) -> Sample:
    """
    Return a random view of a sample.

    What is outside of the view stays in the annotations: it counts for the limits of
    :func:`mcn_ros.tasks.centers.locate`.

    :param sample: in camera pixels.
    :param size: (height, width) of the view, input pixels.
    :param rng: draws the same numbers for every view, whatever the sample contains.
    :param resampling: how inference makes an input of an image.
    :return: a sample in input pixels, with the colours that it is to have: what then is lighter
        than white or darker than black is not cut off.
    """
    source = sample.image.shape[:2]
    center, width, mirrored = random_place(source, rng)
    if mirrored:
        # Where pixels are dots, so are the ends of boxes, and the last one is at width - 1.
        last = source[1] if resampling.squares else source[1] - 1
        affine = np.array([[-1.0, 0.0, last], [0.0, 1.0, 0.0]])
        # The image by itself: interpolation rounds differently in a mirror.
        sample, center = sample.warp(affine, source, resampling), apply_affine(affine, center)
    view = sample.warp(crop_across(center, width, size), size, resampling)
    # Colours last, those of the border too.
    changes, light = random_colors(rng)
    return replace(view, colors=color_affine(mean_brightness(view.image), changes, light))


def random_place(source: Size, rng: np.random.Generator) -> tuple[np.ndarray, float, bool]:
    """
    Draw what a view shows.

    :param source: (height, width) of the image, camera pixels.
    :return: middle (2,) and width of the crop in camera pixels, and whether to mirror left and
        right.
    """
    scale = SCALES[rng.integers(len(SCALES))]
    margins = [margin(side) for side in source]
    row, column = (rng.integers(low, side - low) for low, side in zip(margins, source))
    center = np.array([column, row], dtype=np.float64)
    return center, scale * max(source), bool(rng.uniform() < FLIP)


def crop_across(center: np.ndarray, width: float, target: Size) -> np.ndarray:
    """
    Return the affine of a crop that is as wide as the target.

    The code finds it from three points in float32, whose rounding tells in which cell a joint is
    that lies between two.

    :param center: (2,) source point that becomes the middle of the target.
    :param width: of the crop, source pixels.
    :param target: (height, width) of the target.
    :return: (2, 3) source -> target.
    """
    middle = np.array([target[1], target[0]]) / 2
    return cv2.getAffineTransform(_corner(center, np.float32(width) / 2),
                                  _corner(middle, middle[0]))


def _corner(middle: np.ndarray, half: float) -> np.ndarray:
    """Return a point, that above it, and that to the left of the latter, (3, 2) float32."""
    above = np.float32([middle[0], middle[1] - half])
    return np.float32([middle, above, above - np.float32([middle[1] - above[1], 0])])


def margin(side: int) -> int:
    """Return how far from both ends of a side of an image the middle of a crop is at least."""
    width = MARGIN
    while side <= 2 * width:
        width //= 2
    return width


def random_colors(rng: np.random.Generator) -> tuple[list[tuple[str, float]], np.ndarray]:
    """Draw what :func:`color_affine` is to do: changes, and the colour (3,) of the light."""
    factors = 1 + LARGEST_CHANGE * rng.uniform(-1, 1, size=len(CHANGES))
    changes = [(CHANGES[i], float(factors[i])) for i in rng.permutation(len(CHANGES))]
    return changes, AXES @ (VARIANCES * rng.normal(scale=LIGHT, size=len(VARIANCES)))


def color_affine(mean: float, changes: Sequence[tuple[str, float]], light: np.ndarray,
                 ) -> np.ndarray:
    """
    Return how the colours of an image change; unlike those of real cameras, they are not limited.

    All changes refer to the brightness that the image had before, so they are one affine of RGB.

    :param mean: brightness of the image, 0..255.
    :param changes: names, of CHANGES, and factors, one after the other.
    :param light: (3,) is added to red, green and blue, 1 being white.
    :return: (3, 4) float32 affine of RGB, white is 255.
    """
    matrix, offset = np.eye(3), np.zeros(3)
    for name, factor in changes:
        matrix, offset = factor * matrix, factor * offset
        if name == 'saturation':
            matrix = matrix + (1 - factor) * LUMA
        elif name == 'contrast':
            offset = offset + (1 - factor) * mean
    return np.hstack([matrix, (offset + 255 * light)[:, None]]).astype(np.float32)
