# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Places: what is behind the things of a scene, found by following the ray of every pixel.

Pixels are numbered in rows, so all rays of a picture are arrays of its height and width.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from mcn_ros.data.synthetic.camera import Camera, Light
from mcn_ros.data.synthetic.palette import hsv
from mcn_ros.data.synthetic.sky import daylight, horizon, tint, towards
from mcn_ros.data.synthetic.solids import Face
from mcn_ros.data.synthetic.textures import (
    asphalt, facade, FLOORS, grass, GROUNDS, mottled, noise, paving, plain, shelves, SIZE,
    WALLS)


@dataclass(frozen=True)
class Plane:
    """
    A wall, a floor or a ceiling.

    :param axis: 0, 1 or 2: constant x, y or z.
    :param offset: that constant, metres.
    :param texture: (256, 256, 3) uint8.
    :param tile: metres that the texture covers.
    :param brightness: how lit the plane is.
    :param span: axis, low and high: where the plane exists; None for everywhere.
    """

    axis: int
    offset: float
    texture: np.ndarray
    tile: float
    brightness: float = 1.0
    span: tuple[int, float, float] | None = None


@dataclass(frozen=True)
class Place:
    """
    Somewhere that things can be put.

    :param kind: room, street, park or studio.
    :param picture: (H, W, 3) uint8 RGB: the place with nothing in it.
    :param light: of the place.
    :param left: metres to the left that there is room for.
    :param right: metres to the right.
    :param depth: metres away.
    :param distance: (H, W) float32 metres along the optical axis, infinite where there is nothing
        but sky.
    :param axis: (H, W) int8: of the plane that is seen, see :class:`Plane`; -1 for none.
    :param decor: faces on the walls.
    """

    kind: str
    picture: np.ndarray
    light: Light
    left: float
    right: float
    depth: float
    distance: np.ndarray
    axis: np.ndarray
    decor: tuple[Face, ...] = ()


def draw_place(rng: np.random.Generator, camera: Camera, kind: str) -> Place:
    """Return a random place of a kind in ``PLACES``."""
    return PLACES[kind](rng, camera)


def _rays(camera: Camera) -> np.ndarray:
    """Return (H, W, 3) float32: the direction in the world of each pixel, of depth 1."""
    height, width = camera.size
    x = (np.arange(width, dtype=np.float32) + .5 - width / 2) / camera.focal
    y = (height / 2 - np.arange(height, dtype=np.float32) - .5) / camera.focal
    axes = camera.rotation.astype(np.float32)  # rows: right, up and back of the camera
    return x[None, :, None] * axes[0] + y[:, None, None] * axes[1] - axes[2]


def _follow(rays: np.ndarray, camera: Camera, planes: list[Plane], light: Light,
            sky: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Follow rays to planes in front of a sky; the nearest plane of each ray wins.

    :return: picture, distance and axis, see :class:`Place`.
    """
    nearest = np.full(rays.shape[:2], np.float32(1e6))
    which = np.full(rays.shape[:2], -1, np.int8)
    eye = camera.eye.astype(np.float32)
    for number, plane in enumerate(planes):
        with np.errstate(divide='ignore'):
            distance = np.float32(plane.offset - eye[plane.axis]) / rays[..., plane.axis]
        hit = (distance > 0) & (distance < nearest)
        if plane.span is not None:
            axis, low, high = plane.span
            where = eye[axis] + np.where(hit, distance, 0) * rays[..., axis]
            hit &= (where > low) & (where < high)
        nearest[hit] = distance[hit]
        which[hit] = number
    picture = sky.reshape(-1, 3)
    for number, plane in enumerate(planes):
        pixels = np.flatnonzero(which == number)
        if len(pixels):
            distance = nearest.reshape(-1)[pixels]
            ray = rays.reshape(-1, 3)[pixels]
            colors = _sample(plane, eye + distance[:, None] * ray,
                             distance / camera.focal / np.sqrt(np.abs(ray[:, plane.axis]) + .01))
            clear = light.clearness(distance)[:, None]
            lit = colors * (light.color * plane.brightness).astype(np.float32)
            picture[pixels] = lit * clear + light.haze.astype(np.float32) * (1 - clear)
    nearest[which < 0] = np.inf
    axes = np.array([*(plane.axis for plane in planes), -1], np.int8)
    return np.clip(sky, 0, 255).astype(np.uint8), nearest, axes[which]


def _sample(plane: Plane, points: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """
    Return the colours of points on a plane.

    :param points: (N, 3) float32.
    :param footprint: (N,) metres of the plane that a pixel covers.
    :return: (N, 3) float32.
    """
    scale = np.float32(SIZE / plane.tile)
    across, along = ((2, 1), (0, 2), (0, 1))[plane.axis]
    # In rows: OpenCV takes no column of more than 32767 pixels.
    padded = np.zeros((-(-len(points) // SIZE) * SIZE, 2), np.float32)
    padded[:len(points)] = points[:, (across, along)] * [scale, -scale]
    u, v = (padded[:, i].reshape(-1, SIZE) % SIZE for i in (0, 1))
    # Where a pixel covers many texels, a camera sees their mean: first of a few, then of all.
    coarse = cv2.resize(plane.texture, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    fine, middle = (cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
                    .reshape(-1, 3)[:len(points)].astype(np.float32)
                    for texture in (plane.texture, coarse))
    mean = np.array(cv2.mean(plane.texture)[:3], np.float32)
    texels = (footprint * scale)[:, None].astype(np.float32)
    colors = fine + np.clip((texels - 1) / 5, 0, 1) * (middle - fine)
    return colors + np.clip((texels - 12) / 60, 0, 1) * (mean - colors)


def _room(rng: np.random.Generator, camera: Camera) -> Place:
    depth, left, right = rng.uniform(3.5, 9), rng.uniform(1.8, 4.5), rng.uniform(1.8, 4.5)
    ceiling = max(rng.uniform(2.4, 3.4), camera.height + .3)
    floor, floor_tile = FLOORS[rng.integers(len(FLOORS))]
    wall, wall_tile = WALLS[rng.integers(len(WALLS))]
    papers = wall(rng)
    side = papers if rng.random() < .5 else plain(rng)
    shades = rng.uniform(.72, 1.0, 3)
    planes = [Plane(1, 0.0, floor(rng), floor_tile),
              Plane(2, -depth, papers, wall_tile, shades[0]),
              Plane(0, -left, side, wall_tile, shades[1]),
              Plane(0, right, side, wall_tile, shades[2]),
              Plane(1, ceiling, plain(rng) // 4 + 180, 2.0, .95)]
    light = Light(
        direction=towards(rng.uniform(-60, 60), rng.uniform(55, 80)), ambient=rng.uniform(.6, .8),
        color=tint(rng, .1) * rng.uniform(.85, 1.15), haze=np.full(3, 128.0), sight=200.0,
        shadow=rng.uniform(.25, .5), softness=rng.uniform(3, 9))
    decor = () if wall is shelves else _decorate(rng, depth, left, right)
    rays = _rays(camera)
    picture, *ground = _follow(rays, camera, planes, light, np.zeros(rays.shape, np.float32))
    return Place('room', picture, light, left, right, depth, *ground, decor)


def _decorate(rng: np.random.Generator, depth: float, left: float,
              right: float) -> tuple[Face, ...]:
    """Return pictures, windows and a door on the wall opposite."""
    faces = []
    x = -left + rng.uniform(.2, 1)
    while rng.random() < .8:
        kind = rng.choice(['picture', 'window', 'door'], p=[.5, .3, .2])
        wide = {'picture': rng.uniform(.3, 1), 'window': rng.uniform(.8, 1.6), 'door': .9}[kind]
        if x + wide > right:
            break
        low, high = {'picture': (1.2, 1.2 + wide * rng.uniform(.6, 1.3)),
                     'window': (.9, 2.1), 'door': (0.0, 2.05)}[kind]
        frame = hsv(rng.random(), rng.uniform(0, .4), rng.uniform(.15, .95))
        inner = hsv(rng.random(), rng.uniform(.1, .7), rng.uniform(.3, .95))
        texture = None
        if kind == 'picture':
            texture = mottled(inner, noise(rng, (4, 8)), rng.uniform(.3, 1))
        if kind == 'window':
            inner = hsv(rng.uniform(.5, .65), rng.uniform(.05, .4), 1.0)
        if kind == 'door':
            inner = frame * .9
        pane = _upright(x + .06, x + wide - .06, low + .06, high - .06, -depth + .02)
        decal = Face(pane, inner, texture=texture, glows=kind == 'window')
        faces.append(Face(_upright(x, x + wide, low, high, -depth + .02), frame, decals=(decal,)))
        x += wide + rng.uniform(.3, 1.5)
    return tuple(faces)


def _upright(left: float, right: float, low: float, high: float, z: float) -> np.ndarray:
    return np.array([(left, high, z), (left, low, z), (right, low, z), (right, high, z)])


def _street(rng: np.random.Generator, camera: Camera) -> Place:
    middle, half = rng.uniform(-3, 3), rng.uniform(2.8, 4.5)
    left, right = half + rng.uniform(2, 7) - middle, half + rng.uniform(2, 7) + middle
    light, sky_color = daylight(rng)
    rays = _rays(camera)
    sky = horizon(rng, rays, light, sky_color, houses=True)
    stone = paving(rng)
    line = plain(rng) // 8 + 215
    road = (0, middle - half, middle + half)
    # Upon each other in the order of painting: a plane replaces what is farther away only.
    planes = [Plane(1, .012, line, 1.0, 1.0, (0, middle - .07, middle + .07)),
              Plane(1, .01, stone // 2 + 80, 1.0, 1.0, (0, road[1] - .15, road[1])),
              Plane(1, .01, stone // 2 + 80, 1.0, 1.0, (0, road[2], road[2] + .15)),
              Plane(1, .005, asphalt(rng), 3.0, 1.0, road),
              Plane(1, 0.0, stone, 2.4)]
    for x, on_left in ((-left, True), (right, False)):
        if rng.random() < .8:
            planes.append(Plane(0, x, facade(rng), rng.uniform(5, 7), rng.uniform(.65, 1),
                                (1, 0, rng.uniform(5, 16))))
    picture, *ground = _follow(rays, camera, planes, light, sky)
    return Place('street', picture, light, left, right, 40.0, *ground)


def _park(rng: np.random.Generator, camera: Camera) -> Place:
    light, sky_color = daylight(rng)
    rays = _rays(camera)
    sky = horizon(rng, rays, light, sky_color, houses=False)
    ground, tile = GROUNDS[rng.integers(len(GROUNDS))] if rng.random() < .5 else (grass, 3.0)
    planes = [Plane(1, 0.0, ground(rng), tile)]
    if rng.random() < .5:
        middle, half = rng.uniform(-4, 4), rng.uniform(.6, 2)
        planes.insert(0, Plane(1, .01, paving(rng), 2.4, 1.0, (0, middle - half, middle + half)))
    picture, *ground = _follow(rays, camera, planes, light, sky)
    return Place('park', picture, light, 15.0, 15.0, 35.0, *ground)


def _studio(rng: np.random.Generator, camera: Camera) -> Place:
    """Return coloured fog and blurred shapes: a place that is nowhere."""
    height, width = camera.size
    corners = np.array([[hsv(rng.random(), rng.uniform(0, .4), rng.uniform(.2, .95))
                         for _ in range(3)] for _ in range(3)], np.float32)
    picture = cv2.resize(corners, (width, height), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 14))):
        color = hsv(rng.random(), rng.uniform(0, .8), rng.uniform(.1, .95)).tolist()
        x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        size = int(rng.uniform(.04, .3) * width)
        if rng.random() < .5:
            cv2.circle(picture, (x, y), size // 2, color, -1)
        else:
            cv2.rectangle(picture, (x, y), (x + size, y + int(rng.uniform(.3, 2) * size)), color,
                          -1)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(.8, 9))
    grain = cv2.resize(noise(rng, (16, 64, 128)), (width, height))[..., None]
    picture = np.clip(picture * (1 + rng.uniform(0, .15) * grain), 0, 255).astype(np.uint8)
    light = Light(
        direction=towards(rng.uniform(-70, 70), rng.uniform(35, 75)), ambient=rng.uniform(.5, .8),
        color=tint(rng, .12) * rng.uniform(.75, 1.1), haze=np.full(3, 128.0), sight=100.0,
        shadow=rng.uniform(.1, .4), softness=rng.uniform(4, 10))
    return Place('studio', picture, light, 8.0, 8.0, 20.0,
                 np.full(camera.size, np.float32(np.inf)), np.full(camera.size, np.int8(-1)))


PLACES = {'room': _room, 'street': _street, 'park': _park, 'studio': _studio}
