# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a real camera adds: uneven light, colour cast, blur, noise and compression."""

import cv2
import numpy as np


def photograph(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """
    Return a clean picture as a camera would deliver it.

    :param picture: (H, W, 3) uint8 RGB.
    :return: (H, W, 3) uint8 RGB.
    """
    picture = _expose(rng, _lighten(rng, picture))
    if rng.random() < .6:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(.3, .85))
    if rng.random() < .08:
        picture = _shake(rng, picture)
    picture = _add_noise(rng, picture)
    if rng.random() < .5:
        quality = int(rng.integers(40, 90))
        _, data = cv2.imencode('.jpg', picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return picture


def _lighten(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Apply a smooth field of light: lamps, windows, and the dark corners of a lens."""
    strength = rng.uniform(0, .3)
    coarse = 1 + strength * rng.uniform(-1, .7, (4, 4)).astype(np.float32)
    field = cv2.resize(coarse, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in picture.shape[:2])
    field -= rng.uniform(0, .18) * (rows[:, None] ** 2 + columns ** 2)
    return cv2.multiply(picture, cv2.merge([field] * 3), dtype=cv2.CV_8U)


def _expose(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Apply a tone curve of its own to each colour."""
    levels = np.linspace(0, 1, 256)[:, None]
    gamma = rng.uniform(.7, 1.15) * (1 + rng.normal(0, .03, 3))
    low, high = rng.uniform(-.03, .03), rng.uniform(.95, 1.12)
    curve = np.clip(low + (high - low) * levels ** gamma, 0, 1)
    return cv2.LUT(picture, np.rint(curve * 255).astype(np.uint8)[None])


def _shake(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    length, angle = int(rng.integers(3, 8)), rng.uniform(0, 180)
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    middle = (length - 1) / 2
    turn = cv2.getRotationMatrix2D((middle, middle), angle, 1)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(picture, -1, kernel / kernel.sum())


def _add_noise(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    strength = rng.uniform(0, 1) ** 3 * 6
    if strength < .5:
        return picture
    gray = rng.standard_normal(picture.shape[:2], np.float32) * strength
    color = rng.standard_normal((*(n // 2 for n in picture.shape[:2]), 3), np.float32)
    color = cv2.resize(color * (.5 * strength), picture.shape[1::-1])
    return cv2.add(picture, cv2.merge([gray] * 3) + color, dtype=cv2.CV_8U)
