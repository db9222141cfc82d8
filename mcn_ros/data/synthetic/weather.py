# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Weather: what is between the things of a view and the camera, and what light they have.

It changes pictures only. What there is in a view stays where it is, also what can no longer be
seen, so the labels are those of the same view in clear weather.
"""

from dataclasses import dataclass
from typing import Protocol, Self

import cv2
import numpy as np

from mcn_ros.data.synthetic.view import View

GAMMA = 2.2  # values of pixels are light to the power of 1 / GAMMA
OUTDOORS = 'street', 'park'  # where drops fall

# Drops nearer than the first or farther away than the last are not drawn one by one, metres; in
# each layer between, they are hidden by what is nearer than its middle.
LAYERS = .5, 1.5, 2.5, 4.0, 6.0
DROP = .003  # metres that a drop is wide


class Weather(Protocol):
    """One weather: a day in it is drawn, and then views are seen through it."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return the weather of a random day."""

    def see(self, view: View, rng: np.random.Generator) -> np.ndarray:
        """
        Return the picture of a view.

        :param rng: for what differs from one moment to the next.
        :return: (H, W, 3) uint8 RGB.
        """


@dataclass(frozen=True)
class Clear:
    """Air and light as the place has them."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return the weather of a random day."""
        return cls()

    def see(self, view: View, rng: np.random.Generator) -> np.ndarray:
        """Return the picture of a view, (H, W, 3) uint8 RGB."""
        return view.picture


@dataclass(frozen=True)
class Fog:
    """
    Air that takes light away, and adds its own (Koschmieder's law); indoors it is smoke.

    :param sight: metres after which 5 % of a contrast are left, the meteorological range.
    :param gray: how bright the air is in white light, 0..255.
    """

    sight: float
    gray: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return the weather of a random day."""
        return cls(float(np.exp(rng.uniform(*np.log([10, 50])))), rng.uniform(150, 225))

    def see(self, view: View, rng: np.random.Generator) -> np.ndarray:
        """Return the picture of a view, (H, W, 3) uint8 RGB."""
        clear = .05 ** (distances(view) / self.sight)[..., None]
        return _pixels(clear * view.picture + (1 - clear) * _air(view, self.gray))


@dataclass(frozen=True)
class Rain:
    """
    Dull light, haze and drops; there are no drops where no sky is.

    :param light: share that is left of it.
    :param haze: in the distance.
    :param density: drops in a cubic metre that are drawn one by one.
    :param fall: metres that a drop falls while the shutter is open.
    :param slant: how far the wind takes it in that time, relative to the fall.
    """

    light: float
    haze: Fog
    density: float
    fall: float
    slant: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return the weather of a random day."""
        return cls(rng.uniform(.5, .75), Fog(rng.uniform(40, 120), rng.uniform(140, 190)),
                   rng.uniform(5, 25), rng.uniform(.06, .25), rng.uniform(-.4, .4))

    def see(self, view: View, rng: np.random.Generator) -> np.ndarray:
        """Return the picture of a view, (H, W, 3) uint8 RGB."""
        picture = self.haze.see(view, rng).astype(np.float32)
        gray = picture.mean(axis=2, keepdims=True)
        picture = self.light * (gray + .7 * (picture - gray))
        if view.place.kind in OUTDOORS:
            away, air = distances(view), _air(view, self.haze.gray + 40)
            for near, far in zip(LAYERS, LAYERS[1:]):
                drops = self._drops(view, rng, near, far)
                cover = np.where(away > (near + far) / 2, drops / np.float32(255), 0)[..., None]
                picture += cover * (air - picture)
        return _pixels(picture)

    def _drops(self, view: View, rng: np.random.Generator, near: float,
               far: float) -> np.ndarray:
        """Return (H, W) uint8: how much of each pixel is hidden by drops in a layer."""
        (height, width), focal = view.camera.size, view.camera.focal
        volume = (far ** 3 - near ** 3) / 3 * height * width / focal ** 2
        scale = focal / rng.uniform(near ** 3, far ** 3, rng.poisson(self.density * volume)
                                    ) ** (1 / 3)
        long = self.fall * scale[:, None] * [self.slant, 1]
        starts = rng.uniform(-.5, 1, (len(scale), 2)) * [2 * width, 1.5 * height]
        cover = np.zeros((height, width), np.uint8)
        for start, end, wide in zip(starts.astype(int).tolist(),
                                    (starts + long).astype(int).tolist(), DROP * scale):
            cv2.line(cover, start, end, min(130, 20 + int(130 * wide)), max(1, round(wide)),
                     cv2.LINE_AA)
        return cover


@dataclass(frozen=True)
class Night:
    """
    Little light, so there are few electrons in a pixel, and their number is noise.

    :param white: how bright white is in the picture, 0..1, linear.
    :param electrons: that white has.
    :param unread: standard deviation of the electrons that reading adds.
    :param sky: how bright the sky is, relative to the day's in the same picture.
    """

    white: float
    electrons: float
    unread: float
    sky: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return the weather of a random day."""
        return cls(rng.uniform(.04, .2), float(np.exp(rng.uniform(*np.log([40, 400])))),
                   rng.uniform(.5, 2.5), rng.uniform(.02, .1))

    def see(self, view: View, rng: np.random.Generator) -> np.ndarray:
        """Return the picture of a view, (H, W, 3) uint8 RGB."""
        light = (view.picture / np.float32(255)) ** GAMMA * np.float32([.8, .95, 1.15])
        light[np.isinf(view.shape[0])] *= self.sky
        caught = rng.poisson(light * self.electrons)
        caught = caught + self.unread * rng.standard_normal(caught.shape, np.float32)
        return _pixels(255 * (np.maximum(caught / self.electrons, 0) * self.white) ** (1 / GAMMA))


WEATHERS: dict[str, type[Weather]] = {'clear': Clear, 'fog': Fog, 'rain': Rain, 'night': Night}


def distances(view: View) -> np.ndarray:
    """Return (H, W) float32: metres from the camera, infinite where there is only sky."""
    return view.shape[0] * np.linalg.norm(view.camera.rays(), axis=2).astype(np.float32)


def _air(view: View, gray: float) -> np.ndarray:
    """Return the colour of air in the light of a place, (3,) float32."""
    return np.minimum(gray * view.place.light.color, 255).astype(np.float32)


def _pixels(picture: np.ndarray) -> np.ndarray:
    return np.rint(picture.clip(0, 255)).astype(np.uint8)
