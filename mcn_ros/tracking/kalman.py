# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Kalman filters of boxes: centre, width and height, each with a velocity.

That of the centre is constant, that of the sides fades: who is hidden by somebody seems to shrink,
and is as large as before where they come out again. Velocities change by white noise, whose
variance grows with the time that passes, so that a frame that was left out makes no difference but
for what it would have told. The four numbers of a box do not depend on each other: of N boxes, a
mean is (N, 4, 2), with the velocity behind each number, and a covariance (N, 4, 2, 2); in pixels
and seconds. Noise goes with the height of the box, as the speed of a thing in the image does with
its size in it.
"""

from typing import NamedTuple

import numpy as np

# Standard deviations in heights of the box: of what is measured, of the velocity of a new box (per
# second), and of the change of velocity within a second.
MEASUREMENT, VELOCITY, ACCELERATION = 0.06, 2.0, 0.5
FADE = 0.15  # seconds in which the velocity of a side becomes 1 / e


class Motion(NamedTuple):
    """
    Where boxes are, and how sure that is.

    :param mean: (N, 4, 2) float64.
    :param covariance: (N, 4, 2, 2) float64.
    """

    mean: np.ndarray
    covariance: np.ndarray

    @property
    def boxes(self) -> np.ndarray:
        """Return (N, 4) xyxy float64; sides are a pixel or more."""
        center, half = self.mean[:, :2, 0], np.maximum(self.mean[:, 2:, 0], 1) / 2
        return np.hstack([center - half, center + half])

    def predict(self, seconds: float) -> 'Motion':
        """Return where the boxes are when a time has passed."""
        steps, noises = zip(*[_step(seconds, fade) for fade in (np.inf, np.inf, FADE, FADE)])
        step = np.array(steps)
        return Motion((step @ self.mean[..., None])[..., 0],
                      step @ self.covariance @ step.transpose(0, 2, 1)
                      + _variance(self.mean, ACCELERATION) * np.array(noises))

    def correct(self, boxes: np.ndarray) -> 'Motion':
        """Return where the boxes are once they have been seen; ``boxes``: (N, 4) xyxy."""
        variance = self.covariance[..., 0, 0] + _variance(self.mean, MEASUREMENT)[..., 0, 0]
        gain = self.covariance[..., 0] / variance[..., None]
        surprise = _numbers(boxes) - self.mean[..., 0]
        return Motion(self.mean + gain * surprise[..., None],
                      self.covariance - gain[..., None] * self.covariance[..., :1, :])


def begin(boxes: np.ndarray) -> Motion:
    """Return what is known of boxes (N, 4) xyxy that are seen for the first time."""
    numbers = _numbers(boxes)
    mean = np.stack([numbers, np.zeros_like(numbers)], axis=2)
    parts = np.diag([MEASUREMENT ** 2, VELOCITY ** 2])
    return Motion(mean, _variance(mean, 1.0) * np.broadcast_to(parts, (len(boxes), 4, 2, 2)))


def _step(seconds: float, fade: float) -> tuple[list[list[float]], list[list[float]]]:
    """Return what a time does to a number and its velocity, and the covariance of the noise."""
    if fade == np.inf:
        return ([[1, seconds], [0, 1]],
                [[seconds ** 3 / 3, seconds ** 2 / 2], [seconds ** 2 / 2, seconds]])
    left = np.exp(-seconds / fade)
    far, both = fade * (1 - left), fade ** 2 / 2 * (1 - left) ** 2
    fast = fade / 2 * (1 - left ** 2)
    return [[1, far], [0, left]], [[fade ** 2 * (seconds - 2 * far + fast), both], [both, fast]]


def _numbers(boxes: np.ndarray) -> np.ndarray:
    """Return centres, widths and heights (N, 4) float64 of xyxy boxes."""
    low, high = np.asarray(boxes[:, :2], float), np.asarray(boxes[:, 2:], float)
    return np.hstack([(low + high) / 2, high - low])


def _variance(mean: np.ndarray, heights: float) -> np.ndarray:
    """Return (N, 1, 1, 1) the square of a standard deviation that is given in heights."""
    height = np.maximum(mean[:, 3, 0], 1)
    return ((heights * height) ** 2)[:, None, None, None]
