# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Maps of images in PNG files, as they lie beside an annotation file.

=============  ==============  ==================================================================
map            PNG             values
=============  ==============  ==================================================================
labels         8 bit gray      0 background, c + 1 class c, 255 unknown
regions        16 bit gray     0 background, r + 1 region r, 65535 unknown; A times as high where A
                               annotators have each drawn regions: those of the first on top
scalars        8 bit gray      0 no, 1 yes, 255 unknown
planes         8 bit gray      as scalars, C times as high: those of the classes from the top down
vectors        8 bit RGB       127.5 (1 + x, 1 + y, 1 + z) of a unit vector, black where unknown
depth          16 bit gray     millimetres along the optical axis, 0 where unknown
=============  ==============  ==================================================================
"""

from pathlib import Path

import numpy as np

from mcn_ros.data.image_formats import EncodedImage
from mcn_ros.data.image_headers import PNG
from mcn_ros.geometry import Size
from mcn_ros.structures import IGNORE

# How far from 1 the length of a vector may be: rounding brings it no farther than 0.01.
MOST_OFF = 0.1


def read_labels(path: Path, size: Size, most: int) -> np.ndarray:
    """
    Read labels of classes.

    :param path: the PNG file.
    :param size: (height, width) of its image.
    :param most: the largest label but for that of the unknown.
    :return: (H, W) uint8.
    :raises ValueError: naming the file, and what is wrong with it.
    """
    labels = _read(path, size, np.uint8, 1)
    _check_values(path, labels, (labels > most) & (labels < IGNORE),
                  f'0 to {most}, or {IGNORE} where unknown')
    return labels


def read_regions(path: Path, size: Size) -> np.ndarray:
    """Read the labels of regions, (A, H, W) uint16 of A annotators; see :func:`read_labels`."""
    return _read(path, size, np.uint16, 1, stacked=True).reshape(-1, *size)


def read_scalars(path: Path, size: Size) -> np.ndarray:
    """Read values 0, 1 and 255, (H, W) uint8; see :func:`read_labels`."""
    return read_labels(path, size, 1)


def read_planes(path: Path, size: Size, count: int) -> np.ndarray:
    """Read values 0, 1 and 255, (count, H, W) uint8; see :func:`read_labels`."""
    return read_labels(path, (count * size[0], size[1]), 1).reshape(count, *size)


def read_vectors(path: Path, size: Size) -> np.ndarray:
    """Read unit vectors, (H, W, 3) float32, NaN where unknown; see :func:`read_labels`."""
    colors = _read(path, size, np.uint8, 3)[..., ::-1]
    vectors = colors / np.float32(127.5) - 1
    vectors[~colors.any(axis=2)] = np.nan
    lengths = np.linalg.norm(vectors, axis=2, keepdims=True)
    wrong = np.abs(lengths - 1)[..., 0] > MOST_OFF
    _check_values(path, colors, wrong, 'the colour of a unit vector, or black where unknown')
    return vectors / lengths


def read_depth(path: Path, size: Size) -> np.ndarray:
    """Read distances, (H, W) uint16 millimetres, 0 where unknown; see :func:`read_labels`."""
    return _read(path, size, np.uint16, 1)


def read_pixels(path: Path, size: Size, stacked: bool = False) -> np.ndarray:
    """
    Read the pixels of a PNG file, whatever they are.

    :param path: the PNG file.
    :param size: (height, width) of its image.
    :param stacked: whether it may also be several times as high.
    :return: (H, W) or (H, W, C) uint8 or uint16, colours in the order BGR.
    :raises ValueError: naming the file, and what is wrong with it.
    """
    file = EncodedImage.read(path)
    try:
        if not file.data.startswith(PNG):
            raise ValueError('is no PNG file')
        pixels = file.to_pixels()
    except ValueError as error:
        raise ValueError(f'{path}: is no map that can be read: {error}') from error
    height, width = pixels.shape[:2]
    if (height % size[0] if stacked else height - size[0]) or width != size[1]:
        raise ValueError(f'{path}: (height, width) is {height, width}, expected {size}'
                         f'{" or several of these, one below the other" * stacked}')
    return pixels


def _read(path: Path, size: Size, dtype: type, channels: int, stacked: bool = False,
          ) -> np.ndarray:
    """Read the pixels of a PNG file, which has to have the form that is given."""
    pixels = read_pixels(path, size, stacked)
    form = pixels.dtype, 1 if pixels.ndim == 2 else pixels.shape[2]
    if form != (dtype, channels):
        raise ValueError(f'{path}: expected {channels} channels of {np.dtype(dtype)}, found '
                         f'{form[1]} of {form[0]}')
    return pixels


def _check_values(path: Path, values: np.ndarray, wrong: np.ndarray, allowed: str) -> None:
    """Name the first value that is wrong, (H, W) bool."""
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(f'{path}: row {row}, column {column} has {values[row, column]}, expected '
                         f'{allowed}')
