# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How much every pixel is on a line."""

from dataclasses import dataclass

import numpy as np

from mcn_ros.structures.ridges import suppress
from mcn_ros.structures.scalar_map import ScalarMap


@dataclass(frozen=True)
class LineMap(ScalarMap):
    """
    How much every pixel is on a line, such as a contour.

    Lines of a prediction are as wide as they were found: where is no certain place, they are wide.
    """

    def ridges(self, threshold: float) -> np.ndarray:
        """
        Return the ridges of a prediction that are at least so high.

        :return: (H, W) bool; lines are a pixel wide, or two where their middle is between pixels.
        """
        return suppress(self.values) >= threshold
