# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Boundaries without learning: how steeply the brightness changes.

D. Martin et al., "Learning to Detect Natural Image Boundaries Using Local Brightness, Color, and
Texture Cues", PAMI 2004, has it beside what is learned.
"""

from typing import Mapping

import cv2
import numpy as np

from mcn_ros.structures import LineMap
from mcn_ros.tasks import build_tasks, Task

SIGMA = 2.0  # pixels, of the Gaussian before


class Gradient:
    """
    Predicts that boundaries are where the gradient is large.

    :ivar tasks: boundaries alone.
    """

    def __init__(self):
        self.tasks: Mapping[str, Task] = build_tasks({'boundaries': {}})

    def __call__(self, image: np.ndarray) -> dict[str, LineMap]:
        """
        Predict.

        :param image: (H, W, 3) uint8 RGB.
        :return: by the name of the task, the magnitude of the gradient in camera pixels, 1 where
            it is largest in the image.
        """
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        smooth = cv2.GaussianBlur(gray, (0, 0), SIGMA)
        strength = np.hypot(cv2.Sobel(smooth, -1, 1, 0), cv2.Sobel(smooth, -1, 0, 1))
        largest = strength.max()
        return {'boundaries': LineMap(strength / (largest if largest else 1))}
