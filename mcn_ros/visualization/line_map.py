# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Line maps: lines in white."""

from typing import Sequence

import numpy as np

from mcn_ros.colors import LIGHT
from mcn_ros.structures import LineMap
from mcn_ros.visualization.canvas import Canvas
from mcn_ros.visualization.labels import Label
from mcn_ros.visualization.scalar_map import known_values


def draw_line_map(canvas: Canvas, lines: LineMap, names: Sequence[str]) -> list[Label]:
    """Draw lines, the fainter the less certain; nothing where it is unknown."""
    canvas.blend(np.float32(LIGHT), known_values(lines))
    return []
