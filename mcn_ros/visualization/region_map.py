# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Region maps: the lines where they end."""

from typing import Sequence

from mcn_ros.structures import RegionMap
from mcn_ros.visualization.canvas import Canvas
from mcn_ros.visualization.labels import Label
from mcn_ros.visualization.line_map import draw_line_map


def draw_region_map(canvas: Canvas, regions: RegionMap, names: Sequence[str]) -> list[Label]:
    """Draw the contours in white."""
    return draw_line_map(canvas, regions.contours(), names)
