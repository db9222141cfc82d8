# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The camera and the light of a scene."""

from dataclasses import dataclass

import numpy as np

from mcn_ros.data.synthetic.solids import turn_x, turn_y, turn_z
from mcn_ros.geometry import Size

# Nothing nearer than this is painted, metres.
NEAR = 0.15


@dataclass(frozen=True)
class Camera:
    """
    A pinhole camera that looks along -z, more or less.

    :param size: (height, width) of the picture, pixels.
    :param focal: focal length, pixels.
    :param height: above the ground, metres.
    :param pitch: degrees that it looks down.
    :param roll: degrees that it is tilted.
    :param yaw: degrees that it looks to the right.
    :param place: x and z of the ground below it, metres.
    """

    size: Size
    focal: float
    height: float
    pitch: float = 0.0
    roll: float = 0.0
    yaw: float = 0.0
    place: tuple[float, float] = (0.0, 0.0)

    @property
    def eye(self) -> np.ndarray:
        """Return where the camera is, (3,) metres."""
        return np.array([self.place[0], self.height, self.place[1]])

    @property
    def rotation(self) -> np.ndarray:
        """Return the (3, 3) rotation from the world to right, up and backwards of the camera."""
        return turn_z(self.roll) @ turn_x(self.pitch) @ turn_y(self.yaw)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        Map points of the world into the picture.

        :param points: (N, 3) metres.
        :return: (N, 2) pixels, and (N,) depths in metres.
        """
        view = (points - self.eye) @ self.rotation.T
        depth = -view[:, 2]
        scale = self.focal / np.maximum(depth, NEAR)
        middle = np.array([self.size[1], self.size[0]]) / 2
        return middle + view[:, :2] * [1, -1] * scale[:, None], depth

    def optical(self, points: np.ndarray) -> np.ndarray:
        """Map points (N, 3) of the world into the optical frame: x right, y down, z forward."""
        return (points - self.eye) @ self.rotation.T * [1, -1, -1]

    def rays(self) -> np.ndarray:
        """Return (H, W, 3): the direction in the optical frame of each pixel, of depth 1."""
        height, width = self.size
        rays = np.ones((height, width, 3))
        rays[..., 0] = (np.arange(width) + .5 - width / 2) / self.focal
        rays[..., 1] = ((np.arange(height) + .5 - height / 2) / self.focal)[:, None]
        return rays

    def ground(self, column: float, depth: float) -> np.ndarray:
        """
        Return the point (x, 0, z) below a picture column, at a distance along the ground.

        For a camera above the origin.
        """
        x = (column - self.size[1] / 2) / self.focal * depth
        return turn_y(-self.yaw) @ [x, 0.0, -depth]


@dataclass(frozen=True)
class Light:
    """
    What lights a scene.

    :param direction: (3,) unit vector towards the light.
    :param ambient: share of the light that comes from everywhere.
    :param color: tint, about 1 in each of red, green, blue.
    :param haze: colour of the air far away.
    :param sight: metres after which a third of a colour is left.
    :param shadow: darkness of shadows, 0..1.
    :param softness: blur of shadows, pixels.
    """

    direction: np.ndarray
    ambient: float
    color: np.ndarray
    haze: np.ndarray
    sight: float
    shadow: float
    softness: float

    def clearness(self, depth: np.ndarray) -> np.ndarray:
        """Return the share of a colour that is left metres away."""
        return np.maximum(np.exp(-depth / self.sight), 0.35)

    def shade(self, colors: np.ndarray, brightness: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Return the colours (N, 3) that are seen of surfaces N metres away, in 0..255."""
        clear = self.clearness(depth)[:, None]
        lit = colors * self.color * brightness[:, None]
        return np.clip(clear * lit + (1 - clear) * self.haze, 0, 255)
