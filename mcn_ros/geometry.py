# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Affine maps between image frames, and images warped by them.

Points are (x, y), continuous: (0, 0) is the top left corner of the top left pixel, and the centre
of pixel (row i, column j) is (j + 0.5, i + 0.5). Sizes are (height, width). Three frames occur:
*camera pixels* (the image as it was received), *input pixels* (what the network sees) and
*grid cells* (input pixels divided by the stride). An affine is a (2, 3) float64 array that maps
points of one frame to another.
"""

from dataclasses import dataclass
import math
from typing import Literal

import cv2
import numpy as np

Size = tuple[int, int]

# Gray level beside an image that does not fill the network's input: about the mean of photographs,
# so that it is nearly zero after normalisation. Training and inference must use the same value.
BORDER = 114

# Input pixels per grid cell: every trunk ends there and every task reads and writes there, as in
# CenterNet (Zhou et al., "Objects as Points", section 3).
STRIDE = 4


@dataclass(frozen=True)
class Grid:
    """
    The output raster of a network.

    :param height: number of rows.
    :param width: number of columns.
    :param stride: input pixels per cell.
    """

    height: int
    width: int
    stride: int

    @classmethod
    def of_input(cls, size: Size, stride: int = STRIDE) -> 'Grid':
        """
        Return the grid of an input image.

        :raises ValueError: if the size is not a multiple of the stride.
        """
        if size[0] % stride or size[1] % stride:
            raise ValueError(f'input size {size} is not a multiple of the stride {stride}')
        return cls(size[0] // stride, size[1] // stride, stride)


@dataclass(frozen=True)
class Resampling:
    """
    How the pixels of an image become those of a network's input; points do not depend on it.

    :param border: gray level beside the image.
    :param squares: pixels are squares: they are sampled at their centres, and averaged before a
        strong reduction. False: they are dots at whole numbers, as OpenCV counts, and bilinear
        interpolation is all. That puts pixels up to half a pixel beside where points say they are,
        but CenterNet's weights have learned from such images.
    """

    border: int = 0
    squares: bool = True


# By what :class:`mcn_ros.model.ModelConfig` calls preprocessing.
RESAMPLINGS = {'mcn': Resampling(BORDER), 'centernet': Resampling(0, squares=False)}


def apply_affine(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """
    Map points; NaN stays NaN.

    :param affine: (2, 3).
    :param points: (..., 2).
    :return: (..., 2) of the type of ``points``.
    """
    mapped = points @ affine[:, :2].T + affine[:, 2]
    return mapped.astype(points.dtype, copy=False)


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the affine that applies ``first``, then ``second``."""
    return second @ np.vstack([first, [0.0, 0.0, 1.0]])


def invert(affine: np.ndarray) -> np.ndarray:
    """Return the inverse affine."""
    linear = np.linalg.inv(affine[:, :2])
    return np.hstack([linear, -linear @ affine[:, 2:]])


def scaling(factor: float) -> np.ndarray:
    """Return the affine that multiplies points by ``factor``."""
    return np.array([[factor, 0.0, 0.0], [0.0, factor, 0.0]])


def mirrors(affine: np.ndarray) -> bool:
    """Return whether the affine swaps left and right."""
    return determinant(affine) < 0


def determinant(affine: np.ndarray) -> float:
    """Return by how much areas grow; negative where left and right are swapped."""
    # numpy's own takes thirty times longer for a matrix as small.
    (a, b), (c, d) = affine[:, :2].tolist()
    return a * d - b * c


def letterbox(source: Size, target: Size) -> np.ndarray:
    """
    Return the affine that fits a whole image into a target, centred, with its aspect ratio kept.

    :param source: (height, width) in camera pixels.
    :param target: (height, width) in input pixels.
    :return: camera pixels -> input pixels.
    """
    factor = min(target[0] / source[0], target[1] / source[1])
    center = np.array([source[1], source[0]]) / 2
    return crop(center, factor, target)


def crop(center: np.ndarray, factor: float, target: Size, degrees: float = 0.0,
         flip: bool = False) -> np.ndarray:
    """
    Return the affine that puts a source point in the middle of a target.

    :param center: (2,) source point that becomes the middle of the target.
    :param factor: target pixels per source pixel.
    :param target: (height, width) of the target.
    :param degrees: rotation about the centre, clockwise on the screen.
    :param flip: mirror left and right.
    :return: source -> target.
    """
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    linear = factor * np.array([[cos, -sin], [sin, cos]])
    if flip:
        linear = np.array([[-1.0, 0.0], [0.0, 1.0]]) @ linear
    offset = np.array([target[1], target[0]]) / 2 - linear @ np.asarray(center, dtype=float)
    return np.hstack([linear, offset[:, None]])


def turn(affine: np.ndarray) -> np.ndarray:
    """
    Return how an affine turns and mirrors, without its magnification.

    :return: (2, 2) orthogonal.
    :raises ValueError: if it stretches: then there is no such thing.
    """
    turned = affine[:, :2] / math.sqrt(abs(determinant(affine)))
    if not np.allclose(turned @ turned.T, np.eye(2), atol=1e-3):
        raise ValueError(f'the affine {affine.tolist()} stretches: directions have no place in '
                         'its result')
    return turned


def warp_image(image: np.ndarray, affine: np.ndarray, size: Size,
               border: float | Literal['edge'] = 0, nearest: bool = False) -> np.ndarray:
    """
    Resample an image.

    :param image: (H, W) or (H, W, C) array of a type that OpenCV handles.
    :param affine: frame of ``image`` -> frame of the result.
    :param size: (height, width) of the result.
    :param border: value outside of the source; 'edge' for that of the nearest pixel inside.
    :param nearest: take the nearest pixel (for labels) instead of a weighted mean.
    :return: an array of ``size``.
    """
    if _flips(image, affine, size, image.shape[1]):
        return cv2.flip(image, 1)
    if nearest and not affine[0, 1] and not affine[1, 0]:
        return _pick(image, affine, size, border)
    if not nearest:
        image, affine = _shrink(image, affine)
    # OpenCV counts from pixel centres, this module from pixel corners: shift by half a pixel.
    half = np.array([0.5, 0.5])
    shifted = np.hstack([affine[:, :2], (affine[:, :2] @ half + affine[:, 2] - half)[:, None]])
    flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    beyond = ({'borderMode': cv2.BORDER_REPLICATE} if border == 'edge' else
              {'borderValue': (border,) * 4})
    return cv2.warpAffine(image, shifted, (size[1], size[0]), flags=flags, **beyond)


def resample(image: np.ndarray, affine: np.ndarray, size: Size,
             resampling: Resampling = Resampling()) -> np.ndarray:
    """
    Make an input of an image.

    :param image: (H, W, 3) uint8.
    :param affine: frame of ``image`` -> frame of the result.
    :param size: (height, width) of the result.
    :param resampling: how.
    :return: an array of ``size``.
    """
    if resampling.squares:
        return warp_image(image, affine, size, resampling.border)
    if _flips(image, affine, size, image.shape[1] - 1):
        return cv2.flip(image, 1)
    return cv2.warpAffine(image, affine, (size[1], size[0]), flags=cv2.INTER_LINEAR,
                          borderValue=(resampling.border,) * 4)


def _flips(image: np.ndarray, affine: np.ndarray, size: Size, end: int) -> bool:
    """
    Return whether an affine only swaps left and right: that takes a tenth of the time.

    :param end: what is at 0 then.
    """
    return (affine[0, 0] == -1 and image.shape[:2] == tuple(size)
            and affine.tolist() == [[-1, 0, end], [0, 1, 0]])


def _pick(image: np.ndarray, affine: np.ndarray, size: Size,
          border: float | Literal['edge']) -> np.ndarray:
    """Take the nearest pixels where rows stay rows: whole ones, several times faster."""
    back = invert(affine)
    columns, rows = (np.floor((np.arange(size[1 - axis]) + 0.5) * back[axis, axis] + back[axis, 2])
                     .astype(np.int64) for axis in (0, 1))
    height, width = image.shape[:2]
    picked = image.take(columns, axis=1, mode='clip').take(rows, axis=0, mode='clip')
    if border != 'edge':
        picked[(rows < 0) | (rows >= height)] = border
        picked[:, (columns < 0) | (columns >= width)] = border
    return picked


def _shrink(image: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average pixels before a strong reduction: bilinear sampling alone would skip most."""
    factor = math.sqrt(abs(determinant(affine)))
    whole = int(1 / factor)
    if whole < 2:
        return image, affine
    height, width = image.shape[:2]
    small = max(1, round(width / whole)), max(1, round(height / whole))
    back = np.array([[width / small[0], 0.0, 0.0], [0.0, height / small[1], 0.0]])
    return cv2.resize(image, small, interpolation=cv2.INTER_AREA), compose(affine, back)
