# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Class planes: the likeliest class of every pixel."""

from typing import Sequence

import cv2

from mcn_ros.colors import color_map
from mcn_ros.structures import ClassPlanes
from mcn_ros.visualization.canvas import Canvas
from mcn_ros.visualization.labels import Label


def draw_class_planes(canvas: Canvas, planes: ClassPlanes, names: Sequence[str]) -> list[Label]:
    """Draw each pixel in the colour of its likeliest class, if that passes the threshold."""
    labels = planes.class_map(canvas.score_threshold).labels
    cv2.copyTo(color_map(labels, len(planes.planes)), labels, canvas.pixels)
    return []
