# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scalar maps: lines in white, areas as a tint from cold to hot."""

from typing import Sequence

import numpy as np

from mcn_ros.colors import heat_colors, LIGHT
from mcn_ros.structures import IGNORE, ScalarMap
from mcn_ros.visualization.canvas import Canvas
from mcn_ros.visualization.labels import Label

BLEND = 0.7  # share of the tint where a pixel is certain


def draw_scalar_map(canvas: Canvas, scalars: ScalarMap, names: Sequence[str]) -> list[Label]:
    """Draw what a map shows, the fainter the less certain; nothing where it is unknown."""
    values = scalars.values
    if values.dtype == np.uint8:
        values = np.where(values == IGNORE, 0, values).astype(np.float32)
    colors = np.float32(LIGHT) if scalars.lines else heat_colors(values)
    share = (values if scalars.lines else BLEND * values)[..., None]
    canvas.pixels[:] = np.rint(canvas.pixels + share * (colors - canvas.pixels))
    return []
