# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Vector maps: directions as colours."""

from typing import Sequence

import numpy as np

from mcn_ros.colors import vector_colors
from mcn_ros.structures import VectorMap
from mcn_ros.visualization.canvas import Canvas
from mcn_ros.visualization.labels import Label


def draw_vector_map(canvas: Canvas, directions: VectorMap, names: Sequence[str]) -> list[Label]:
    """Draw the colour of each direction; the image shows where none is known."""
    known = np.isfinite(directions.vectors).all(axis=2)
    canvas.pixels[known] = vector_colors(directions.vectors)[known]
    return []
