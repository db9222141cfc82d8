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
# Seconds in which the velocity of each number becomes 1 / e.
FADES = np.inf, np.inf, 0.15, 0.15


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
        # By elements: products of so many small matrices take longer.
        far, left, *noise = np.array([_step(seconds, fade) for fade in FADES]).T
        place, velocity = np.moveaxis(self.mean, 2, 0)
        (var, both), (_, fast) = np.moveaxis(self.covariance, (2, 3), (0, 1))
        scale = _variance(self.mean, ACCELERATION)[..., 0, 0]
        var = var + 2 * far * both + far ** 2 * fast + scale * noise[0]
        both = left * (both + far * fast) + scale * noise[1]
        fast = left ** 2 * fast + scale * noise[2]
        covariance = np.stack([var, both, both, fast], axis=2).reshape(self.covariance.shape)
        return Motion(np.stack([place + far * velocity, left * velocity], axis=2), covariance)

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


def _step(seconds: float, fade: float) -> tuple[float, ...]:
    """
    Return what a time does to a number that has a velocity.

    :return: how far a velocity leads, what is left of it, and of the noise of both: the variance
        of the number, the covariance and the variance of the velocity.
    """
    if fade == np.inf:
        return seconds, 1.0, seconds ** 3 / 3, seconds ** 2 / 2, seconds
    left = np.exp(-seconds / fade)
    far, fast = fade * (1 - left), fade / 2 * (1 - left ** 2)
    return far, left, fade ** 2 * (seconds - 2 * far + fast), far ** 2 / 2, fast


def _numbers(boxes: np.ndarray) -> np.ndarray:
    """Return centres, widths and heights (N, 4) float64 of xyxy boxes."""
    low, high = np.asarray(boxes[:, :2], float), np.asarray(boxes[:, 2:], float)
    return np.hstack([(low + high) / 2, high - low])


def _variance(mean: np.ndarray, heights: float) -> np.ndarray:
    """Return (N, 1, 1, 1) the square of a standard deviation that is given in heights."""
    height = np.maximum(mean[:, 3, 0], 1)
    return ((heights * height) ** 2)[:, None, None, None]
