# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures side by side."""

from typing import Sequence

import cv2
import numpy as np


def contact_sheet(images: Sequence[np.ndarray], columns: int = 4, width: int = 1600,
                  gap: int = 6) -> np.ndarray:
    """
    Put pictures side by side in rows; all of a row are equally high and fill its width.

    :param images: (H, W, 3) uint8 each, of any sizes.
    :param columns: pictures in a row; a last row with fewer does not grow to fill it.
    :param width: of the sheet, in pixels.
    :param gap: pixels between pictures.
    :return: (H, width, 3) uint8, white between the pictures.
    """
    rows = [images[start:start + columns] for start in range(0, len(images), columns)]
    strips, height = [], width
    for row in rows:
        ratios = sum(image.shape[1] / image.shape[0] for image in row)
        fitting = (width - gap * (len(row) - 1)) / ratios
        # The first row sets how high an incomplete one may be.
        height = fitting if len(row) == columns or not strips else min(fitting, height)
        strips.append(_strip(row, max(1, round(height)), width, gap))
    blank = np.full((gap, width, 3), 255, np.uint8)
    stacked = [part for strip in strips for part in (strip, blank)]
    return np.vstack(stacked[:-1])


def _strip(row: Sequence[np.ndarray], height: int, width: int, gap: int) -> np.ndarray:
    strip = np.full((height, width, 3), 255, np.uint8)
    left = 0.0
    for image in row:
        right = left + height * image.shape[1] / image.shape[0]
        start, end = min(width - 1, round(left)), min(width, max(round(right), round(left) + 1))
        smaller = image.shape[0] > height
        strip[:, start:end] = cv2.resize(
            image, (end - start, height),
            interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
        left = right + gap
    return strip
