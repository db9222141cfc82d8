# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Daylight, the sky and what stands at the horizon."""

import cv2
import numpy as np

from mcn_ros.data.synthetic.camera import Light
from mcn_ros.data.synthetic.palette import hsv, LEAVES, pick
from mcn_ros.data.synthetic.textures import noise, SIZE


def towards(azimuth: float, elevation: float) -> np.ndarray:
    """Return the unit vector at degrees to the right of the viewer, and up."""
    a, e = np.radians([azimuth, elevation])
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])


def tint(rng: np.random.Generator, strength: float) -> np.ndarray:
    """Return a warm or a cold colour of light, about 1 in red, green and blue."""
    warm = rng.uniform(-strength, strength)
    return np.array([1 + warm, 1.0, 1 - warm])


def daylight(rng: np.random.Generator) -> tuple[Light, np.ndarray]:
    """Return the light of a sunny, dull or late hour, and the colour of the sky above."""
    hour = rng.choice(['sunny', 'dull', 'late'], p=[.5, .35, .15])
    if hour == 'sunny':
        light = Light(towards(rng.uniform(-150, 150), rng.uniform(25, 65)), .5,
                      tint(rng, .05) * rng.uniform(1.0, 1.2), np.array([206, 220, 234.0]),
                      rng.uniform(60, 200), rng.uniform(.4, .6), rng.uniform(.8, 2.5))
        return light, hsv(rng.uniform(.55, .62), rng.uniform(.35, .65), rng.uniform(.75, .95))
    if hour == 'dull':
        gray = rng.uniform(150, 225)
        light = Light(towards(rng.uniform(-90, 90), 75), .75,
                      tint(rng, .04) * rng.uniform(.8, 1.05), np.array([gray, gray, gray + 6]),
                      rng.uniform(40, 160), rng.uniform(.15, .35), rng.uniform(4, 9))
        return light, np.array([gray - 14, gray - 8, gray + 4])
    light = Light(towards(rng.uniform(-100, 100), rng.uniform(12, 25)), .5,
                  np.array([1.08, .9, .74]) * rng.uniform(.6, .95), np.array([236, 178, 130.0]),
                  rng.uniform(40, 120), rng.uniform(.35, .5), rng.uniform(2, 4))
    return light, hsv(rng.uniform(.58, .68), .45, rng.uniform(.4, .7))


def horizon(rng: np.random.Generator, rays: np.ndarray, light: Light, color: np.ndarray,
            houses: bool) -> np.ndarray:
    """Return the sky and what stands before it, (H, W, 3) float32; far things are not sharp."""
    coarse = np.ascontiguousarray(rays[::2, ::2])
    sky = _sky(rng, coarse, light, color)
    _skyline(rng, coarse, sky, light, houses)
    return cv2.resize(sky, rays.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _sky(rng: np.random.Generator, rays: np.ndarray, light: Light,
         color: np.ndarray) -> np.ndarray:
    """Return a sky with clouds, (H, W, 3) float32."""
    up = np.maximum(rays[..., 1], 0)
    high = np.sqrt(np.minimum(up / .5, 1))[..., None]
    haze = light.haze.astype(np.float32)
    sky = haze + (color.astype(np.float32) - haze) * high
    clouds = ((noise(rng, (4, 8, 16, 32)) + rng.uniform(-.25, .3)) * 300).clip(0, 255)
    flat = 60 / (up + np.float32(.12))
    cover = cv2.remap(clouds.astype(np.uint8), (rays[..., 0] * flat) % SIZE,
                      (-rays[..., 2] * flat) % SIZE, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    cover = (cover * np.float32(.8 / 255))[..., None] * np.minimum(high * 2, 1)
    return sky + (245 - sky) * cover


def _skyline(rng: np.random.Generator, rays: np.ndarray, sky: np.ndarray, light: Light,
             houses: bool) -> None:
    """Draw houses or trees at the horizon into a sky."""
    azimuth = np.arctan2(rays[..., 0], -rays[..., 2])
    elevation = rays[..., 1] / np.hypot(rays[..., 0], rays[..., 2])
    column = (azimuth / np.pi + 1) * SIZE
    if houses:
        starts = np.sort(rng.uniform(0, 2 * SIZE, 60))
        which = np.searchsorted(starts, np.arange(2 * SIZE))[column.astype(int) % (2 * SIZE)]
        top = rng.uniform(.02, .24, 61)[which]
        colors = np.array([hsv(rng.random(), rng.uniform(0, .25), rng.uniform(.35, .8))
                           for _ in range(61)], np.float32)[which]
        panes = (np.sin(azimuth * 240) > -.2) & (np.sin(elevation * 330) > 0)
        shade = 1 - .22 * panes
    else:
        rough = noise(rng, (8, 32, 128))
        outline = np.concatenate([rough[0], rough[1]]) * rng.uniform(.03, .12)
        top = np.interp(column, np.arange(2 * SIZE), outline + rng.uniform(.01, .14))
        colors = pick(rng, LEAVES)
        shade = 1 + .5 * rough[(elevation * 700).astype(int) % SIZE,
                               (column * 3).astype(int) % SIZE]
    clear = np.clip(.5 + 2 * elevation, .5, .85)[..., None]
    painted = colors * light.color * shade[..., None] * clear + light.haze * (1 - clear)
    np.copyto(sky, painted.astype(np.float32), where=(elevation < top)[..., None])
