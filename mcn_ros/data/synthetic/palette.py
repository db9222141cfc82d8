# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Colours, RGB 0..255, and the textures of surfaces."""

import cv2
import numpy as np

SKIN = ((255, 224, 196), (241, 194, 160), (224, 172, 132), (198, 140, 98), (166, 110, 74),
        (141, 85, 54), (104, 64, 42), (76, 46, 32))
HAIR = ((28, 22, 20), (48, 34, 26), (78, 52, 34), (112, 76, 44), (168, 124, 70), (214, 178, 118),
        (140, 62, 34), (150, 150, 150), (206, 204, 200))
WOOD = ((166, 124, 82), (128, 88, 56), (92, 62, 42), (196, 160, 116), (72, 50, 38),
        (226, 214, 196))
METAL = ((190, 194, 200), (120, 126, 134), (52, 56, 62), (228, 230, 232))
LEAVES = ((58, 110, 52), (84, 138, 60), (40, 88, 56), (122, 150, 70), (46, 120, 84))
CAR = ((196, 30, 36), (24, 60, 130), (232, 232, 234), (32, 34, 38), (140, 146, 154),
       (30, 96, 70), (212, 160, 40), (96, 24, 34), (62, 130, 190), (190, 180, 160))


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """Return RGB 0..255 of hue, saturation and value in 0..1."""
    pixel = np.array([[[hue * 360 % 360, saturation, value]]], np.float32)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(float) * 255


def pick(rng: np.random.Generator, colors, jitter: float = 8) -> np.ndarray:
    """Return one of several colours, a little changed."""
    return np.clip(np.array(colors[rng.integers(len(colors))]) + rng.normal(0, jitter, 3), 8, 252)


def cloth(rng: np.random.Generator, dark: float = 0.35) -> np.ndarray:
    """
    Return the colour of a garment: dark or grayish as most are, or a bright one.

    :param dark: share of the dark ones.
    """
    kind = rng.random()
    if kind < dark:
        return hsv(rng.random(), rng.uniform(0, .5), rng.uniform(.12, .38))
    if kind < dark + 0.2:
        return hsv(rng.random(), rng.uniform(0, .12), rng.uniform(.6, .97))
    return hsv(rng.random(), rng.uniform(.35, .85), rng.uniform(.4, .92))
