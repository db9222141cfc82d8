# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Colours of classes, chosen so that people with a colour vision deficiency can tell them apart.

They start with the palette of M. Okabe and K. Ito, "Color Universal Design", 2008; dichromats are
simulated as in G. Machado, M. Oliveira and L. Fernandes, "A Physiologically-based Model for
Simulation of Color Vision Deficiency", 2009.
"""

import functools

import cv2
import numpy as np

from mcn_ros.structures import IGNORE

Color = tuple[int, int, int]

DARK, LIGHT, GREY = (20, 20, 20), (255, 255, 255), (128, 128, 128)

# Without its black, which is no colour for an area, and in an order that suits common pictures:
# the first classes are people and vehicles, out of doors between blue and green.
OKABE_ITO = ((204, 121, 167), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
             (86, 180, 233), (230, 159, 0))

# Linear RGB as protanopes and deuteranopes see it (Machado et al., table 1, severity 1).
DICHROMATS = np.array([
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
     [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
     [-0.011820, 0.042940, 0.968881]]], np.float32)


@functools.cache
def class_colors(num_classes: int) -> np.ndarray:
    """
    Return colours that are easy to tell apart; a longer list begins with the shorter ones.

    After the Okabe-Ito colours, the next one is always the candidate that is farthest from all
    before it in CIELAB, for the observer (normal, protanope, deuteranope) to whom it is nearest.

    :return: (num_classes, 3) uint8 RGB, read-only.
    """
    steps = np.linspace(0, 255, 11)
    candidates = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    lightness = _perceived(candidates)[0, :, 0]
    # Neither too dark nor too pale to be seen in a picture.
    candidates = candidates[(lightness > 35) & (lightness < 92)]
    points = _perceived(np.vstack([OKABE_ITO, candidates]))
    chosen = list(range(len(OKABE_ITO)))
    distance = np.full(points.shape[1], np.inf)
    for index in range(num_classes):
        if index >= len(chosen):
            chosen.append(int(distance.argmax()))
        apart = np.linalg.norm(points - points[:, chosen[index], None], axis=2)
        distance = np.minimum(distance, apart.min(axis=0))
    colors = np.vstack([OKABE_ITO, candidates])[chosen[:num_classes]]
    colors = colors.round().astype(np.uint8)
    colors.flags.writeable = False
    return colors


def _perceived(colors: np.ndarray) -> np.ndarray:
    """Return (N, 3) RGB 0..255 as (3, N, 3) CIELAB of a normal, protan and deutan observer."""
    srgb = np.asarray(colors, np.float32) / 255
    linear = np.where(srgb > 0.04045, ((srgb + 0.055) / 1.055) ** 2.4, srgb / 12.92)
    seen = np.stack([linear, *(linear @ matrix.T for matrix in DICHROMATS)]).clip(0, 1)
    return cv2.cvtColor(seen.astype(np.float32), cv2.COLOR_LRGB2Lab)


def heat_colors(values: np.ndarray) -> np.ndarray:
    """
    Return the picture of a scalar map, from dark over red to bright yellow.

    :param values: (H, W) in 0..1.
    :return: (H, W, 3) uint8 RGB.
    """
    heat = cv2.applyColorMap(np.rint(255 * values).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return cv2.cvtColor(heat, cv2.COLOR_BGR2RGB)


def vector_colors(vectors: np.ndarray) -> np.ndarray:
    """
    Return the picture of a vector map: red to the right, green up, blue towards the camera.

    :param vectors: (H, W, 3) unit vectors, x right, y down, z away from the camera.
    :return: (H, W, 3) uint8 RGB, a wall that faces the camera is (128, 128, 255); black where
        unknown.
    """
    colors = 127.5 + np.array([127.5, -127.5, -127.5], np.float32) * vectors
    return np.rint(np.nan_to_num(colors, nan=0.0)).clip(0, 255).astype(np.uint8)


def color_vectors(colors: np.ndarray) -> np.ndarray:
    """
    Return the vector map of a picture of :func:`vector_colors`.

    :param colors: (H, W, 3) uint8 RGB.
    :return: (H, W, 3) float32 unit vectors, NaN where the picture is black.
    """
    vectors = (colors - np.float32(127.5)) * np.array([1, -1, -1], np.float32)
    vectors[~colors.any(axis=2)] = np.nan
    # No colour is that of a vector without length: half numbers are none.
    return vectors / np.linalg.norm(vectors, axis=2, keepdims=True)


def color_map(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """
    Return the picture of a class map.

    :param labels: (H, W) uint8: 0 background, c + 1 class c, 255 unknown.
    :param num_classes: number of classes; labels beyond it are black.
    :return: (H, W, 3) uint8 RGB: black background, class colours, grey where unknown.
    """
    return cv2.applyColorMap(np.ascontiguousarray(labels), _lookup(num_classes))


@functools.cache
def _lookup(num_classes: int) -> np.ndarray:
    table = np.zeros((256, 1, 3), np.uint8)
    table[1:num_classes + 1, 0] = class_colors(num_classes)
    table[IGNORE] = GREY
    return table
