# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Ridges of a map: the direction across them, and what is left of it where only they are.

P. Dollar, C. L. Zitnick, "Fast Edge Detection Using Structured Forests", PAMI 2015, and their
code. Theirs takes the direction from a quotient that is 0 along exactly horizontal ridges; here it
is that of the most negative curvature, whatever it is.
"""

import cv2
import numpy as np

TRIANGLE = np.float32([1, 2, 3, 4, 5, 4, 3, 2, 1]) / 25
DIFFERENCE = np.float32([[-0.5, 0, 0.5]])  # central
MARGIN = 1.01  # a ridge may be so much lower than what is beside it
FADE = 5  # pixels at the border of the image, where there are no full neighbourhoods


def across(values: np.ndarray) -> np.ndarray:
    """
    Return the direction across the ridges of a map.

    :param values: (H, W) float32.
    :return: (H, W) float32 radians in 0..pi, from the x axis (right) to the y axis (down).
    """
    smooth = cv2.sepFilter2D(values, -1, TRIANGLE, TRIANGLE, borderType=cv2.BORDER_REFLECT)
    over_x, over_y = _difference(smooth, DIFFERENCE), _difference(smooth, DIFFERENCE.T)
    xx, xy = _difference(over_x, DIFFERENCE), _difference(over_x, DIFFERENCE.T)
    yy = _difference(over_y, DIFFERENCE.T)
    return (np.arctan2(2 * xy, xx - yy) / 2 + np.float32(np.pi / 2)) % np.float32(np.pi)


def suppress(values: np.ndarray) -> np.ndarray:
    """
    Return a map without what is no ridge: 0 where a neighbour across is higher.

    :param values: (H, W) float32 in 0..1.
    """
    height, width = values.shape
    angles = across(values)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    beside = np.maximum(*(cv2.remap(
        values, x + side * np.cos(angles), y + side * np.sin(angles), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE) for side in (1, -1)))
    ridges = np.where(MARGIN * values < beside, np.float32(0), values)
    return ridges * _fade(height)[:, None] * _fade(width)


def _difference(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return cv2.filter2D(values, -1, kernel, borderType=cv2.BORDER_REPLICATE)


def _fade(length: int) -> np.ndarray:
    """Return factors, (length,) float32, that fall to 0 towards both ends."""
    far = np.minimum(np.arange(length), np.arange(length)[::-1])
    return np.minimum(far / max(min(FADE, length // 2), 1), 1).astype(np.float32)
