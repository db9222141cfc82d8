# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pixels without a label that take that of the nearest one with it."""

import numpy as np
from scipy import ndimage


def fill_nearest(labels: np.ndarray, unknown: np.ndarray, reach: float = np.inf) -> np.ndarray:
    """
    Return labels in which narrow gaps are filled.

    :param labels: (H, W).
    :param unknown: (H, W) bool, the gaps; not all of the map.
    :param reach: pixels; what is farther from all labels stays as it is.
    """
    distances, (rows, columns) = ndimage.distance_transform_edt(unknown, return_indices=True)
    return np.where(distances <= reach, labels[rows, columns], labels)
