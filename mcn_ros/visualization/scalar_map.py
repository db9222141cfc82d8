# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scalar maps: areas as a tint from cold to hot."""

from typing import Sequence

import numpy as np

from mcn_ros.colors import heat_colors
from mcn_ros.structures import IGNORE, ScalarMap
from mcn_ros.visualization.canvas import Canvas
from mcn_ros.visualization.labels import Label

BLEND = 0.7  # share of the tint where a pixel is certain


def draw_scalar_map(canvas: Canvas, scalars: ScalarMap, names: Sequence[str]) -> list[Label]:
    """Draw areas, the fainter the less certain; nothing where it is unknown."""
    values = known_values(scalars)
    canvas.blend(heat_colors(values), BLEND * values)
    return []


def known_values(scalars: ScalarMap) -> np.ndarray:
    """Return the values (H, W) float32, 0 where they are unknown."""
    values = scalars.values
    if values.dtype == np.uint8:
        values = np.where(values == IGNORE, 0, values)
    return values.astype(np.float32, copy=False)
