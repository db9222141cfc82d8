# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Labels of patches as labels of pixels, and edges of the image that they may follow."""

import cv2
import numpy as np

from mcn_ros.geometry import Size

ROUNDS = 5
SIMILAR = 0.1  # colours, in 0..1, whose difference still counts as none, nearly
SPACING = 4  # neighbours of a pixel along a patch


def enlarge(labels: np.ndarray, size: Size) -> np.ndarray:
    """Return (H, W) of what patches (rows, columns) have, each pixel that of its patch."""
    rows, columns = (np.arange(side) * count // side for side, count in zip(size, labels.shape))
    return labels[np.ix_(rows, columns)]


def refine(labels: np.ndarray, image: np.ndarray, patch: int) -> np.ndarray:
    """
    Let pixels take the label of those around that are of their colour: joint bilateral filtering.

    Source: J. Kopf et al., "Joint Bilateral Upsampling", SIGGRAPH 2007. Of the pixels up to a
    patch away, an even selection takes part.

    :param labels: (H, W) int.
    :param image: (H, W, 3) uint8.
    :param patch: side of a patch in pixels, which is how far labels may be wrong.
    :return: (H, W) of the same labels.
    """
    names, index = np.unique(labels, return_inverse=True)
    shares = np.eye(len(names), dtype=np.float32)[index.reshape(labels.shape)]
    colours = image.astype(np.float32) / 255
    step = max(patch // SPACING, 1)
    places = range(-patch // step * step, patch + 1, step)
    weights = {(y, x): _weights(colours, y, x, patch) for y in places for x in places}
    for _ in range(ROUNDS):
        sums = np.zeros_like(shares)
        for (y, x), weight in weights.items():
            sums += weight[..., None] * _moved(shares, y, x)
        shares = sums / sums.sum(axis=2, keepdims=True)
    return names[shares.argmax(axis=2)]


def _weights(colours: np.ndarray, y: int, x: int, patch: int) -> np.ndarray:
    """Return how much each pixel takes from that at an offset, (H, W)."""
    distance = np.square(_moved(colours, y, x) - colours).sum(axis=2) / SIMILAR ** 2
    return np.exp(-0.5 * (distance + (y * y + x * x) / patch ** 2))


def _moved(values: np.ndarray, y: int, x: int) -> np.ndarray:
    """Return for each pixel the values at an offset; beyond the border, those at it."""
    affine = np.float32([[1, 0, -x], [0, 1, -y]])
    height, width = values.shape[:2]
    parts = [cv2.warpAffine(np.ascontiguousarray(values[..., k]), affine, (width, height),
                            flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
             for k in range(values.shape[2])]
    return np.stack(parts, axis=2)
