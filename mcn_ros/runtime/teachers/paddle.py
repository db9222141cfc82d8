# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The colours that networks of PaddleDetection are shown: those of ImageNet."""

import numpy as np

# Red, green, blue; (pixel - MEAN) * FACTOR is what the network sees.
MEAN = np.float32([123.675, 116.28, 103.53])
FACTOR = np.float32([.01712475, .0175, .01742919])
