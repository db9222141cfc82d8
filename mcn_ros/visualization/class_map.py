# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Class maps: areas in the colours of their classes."""

from typing import Sequence

import cv2
import numpy as np

from mcn_ros.colors import class_colors, color_map
from mcn_ros.structures import ClassMap, IGNORE
from mcn_ros.visualization.canvas import Canvas, Style
from mcn_ros.visualization.labels import Label, label

BLEND = 0.45  # share of the class colour on a segmented pixel


def draw_class_map(canvas: Canvas, area: ClassMap, names: Sequence[str]) -> list[Label]:
    """Tint areas with the colours of their classes; name them, unless there are boxes."""
    pixels = canvas.pixels
    labels = np.where(area.labels == IGNORE, np.uint8(0), area.labels)
    colors = color_map(labels, max(len(names), int(labels.max())))
    cv2.copyTo(cv2.addWeighted(pixels, 1 - BLEND, colors, BLEND, 0), labels, pixels)
    # A rim in the full colour, on the inside of each area.
    kernel = np.ones((2 * canvas.style.line + 1,) * 2, np.uint8)
    cv2.copyTo(colors, cv2.compare(cv2.erode(labels, kernel), labels, cv2.CMP_NE), pixels)
    return [] if canvas.boxes else _area_labels(area, names, canvas.style)


def _area_labels(area: ClassMap, names: Sequence[str], style: Style) -> list[Label]:
    """Return a label in the middle of the largest part of each class that is not tiny."""
    step = max(1, max(area.labels.shape) // 160)
    small = area.labels[step // 2::step, step // 2::step]
    labels = []
    for index in np.flatnonzero(np.bincount(small.ravel(), minlength=256) > small.size / 250):
        if 0 < index <= len(names):
            # A frame of other pixels, so that the border of the image counts as one of the area.
            mask = np.pad((small == index).astype(np.uint8), 1)
            depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)[1:-1, 1:-1]
            row, column = np.unravel_index(depth.argmax(), depth.shape)
            labels.append(label(names[index - 1], class_colors(len(names))[index - 1], style,
                                point=((column + 0.5) * step, (row + 0.5) * step)))
    return labels
