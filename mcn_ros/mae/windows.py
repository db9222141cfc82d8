# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Relations in images of any size: a network looks at one window after the other.

Windows have the size of the images that the network learned from, and overlap by half. So patches
are related to those near them, and communities join across windows.
"""

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from mcn_ros.geometry import Size
from mcn_ros.mae.model import MaskedAutoencoder
from mcn_ros.mae.relations import relate, RelationConfig


def window_starts(count: int, side: int) -> list[int]:
    """
    Return where windows begin along a side of an image, in patches.

    :param count: patches along the side of the image.
    :param side: of the windows, in patches. They overlap by half, the last one by more.
    """
    if count <= side:
        return [0]
    return [*range(0, count - side, max(side // 2, 1)), count - side]


def windows(grid: Size, side: int) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of patches of each window; see :func:`window_starts`."""
    for top in window_starts(grid[0], side):
        for left in window_starts(grid[1], side):
            yield (slice(top, min(top + side, grid[0])), slice(left, min(left + side, grid[1])))


def relate_windows(model: MaskedAutoencoder, image: Tensor, side: int,
                   config: RelationConfig = RelationConfig()) -> np.ndarray:
    """
    Measure how the patches of a large image are related, the mean of all windows that tell.

    :param model: see :func:`mcn_ros.mae.relations.relate`.
    :param image: (1, 3, H, W) float, normalised; sides are multiples of the patch.
    :param side: of the windows, in patches.
    :param config: how.
    :return: (N, N) float64, symmetric, with a diagonal of 0; NaN for patches that no window has
        both of.
    """
    patch = model.encoder.patch
    grid = image.shape[2] // patch, image.shape[3] // patch
    numbers = np.arange(grid[0] * grid[1]).reshape(grid)
    sums, counts = np.zeros((2, numbers.size, numbers.size))
    for rows, columns in windows(grid, side):
        pixels = (slice(part.start * patch, part.stop * patch) for part in (rows, columns))
        found = relate(model, image[(..., *pixels)], config)
        index = np.ix_(*[numbers[rows, columns].ravel()] * 2)
        sums[index] += found
        counts[index] += 1
    return np.divide(sums, counts, where=counts > 0, out=np.full_like(sums, np.nan))
