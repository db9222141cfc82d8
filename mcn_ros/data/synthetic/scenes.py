# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scenes: things put into a place, painted, photographed and annotated."""

from typing import Any, NamedTuple, Sequence

import numpy as np

from mcn_ros.data.synthetic.background import draw_place, Place
from mcn_ros.data.synthetic.camera import Camera
from mcn_ros.data.synthetic.groups import Cluster, draw_group, Group
from mcn_ros.data.synthetic.lens import photograph
from mcn_ros.data.synthetic.recipes import EVERYDAY, PLACE_WEIGHTS, Recipe
from mcn_ros.data.synthetic.solids import turn_y
from mcn_ros.data.synthetic.view import paint_view, View
from mcn_ros.data.synthetic.weather import WEATHERS
from mcn_ros.geometry import Size


class Scene(NamedTuple):
    """
    A picture and what is in it.

    :param image: (H, W, 3) uint8 RGB.
    :param annotations: see :meth:`View.annotations`.
    """

    image: np.ndarray
    annotations: list[dict[str, Any]]


def scene(seed: int | Sequence[int], size: Size, recipe: Recipe = EVERYDAY) -> Scene:
    """
    Draw a random scene.

    :param seed: one or several integers >= 0; with size and recipe, they determine the scene.
    :param size: (height, width), pixels.
    :param recipe: what the scene is made of.
    """
    image, view = draw_scene(seed, size, recipe)
    return Scene(image, view.annotations())


def draw_scene(seed: int | Sequence[int], size: Size, recipe: Recipe = EVERYDAY,
               weather: str = 'clear') -> tuple[np.ndarray, View]:
    """
    Return the picture of a random scene as a camera delivers it, and what it shows.

    :param weather: of ``WEATHERS``; nothing but the picture depends on it.
    """
    rng = np.random.default_rng(seed)
    own = rng.spawn(1)[0]  # so that the scene and the lens are those of any weather
    kind = str(rng.choice(list(PLACE_WEIGHTS), p=list(PLACE_WEIGHTS.values())))
    camera = draw_camera(rng, size, kind, recipe)
    place = draw_place(rng, camera, kind)
    view = paint_view(place, arrange(rng, place, camera, recipe), camera)
    return photograph(rng, WEATHERS[weather].draw(own).see(view, own)), view


def draw_camera(rng: np.random.Generator, size: Size, kind: str, recipe: Recipe) -> Camera:
    """Return the eye of a robot, of a person, or of a camera on a wall."""
    low, high = recipe.eyes[rng.choice(3, p=[.3, .5, .2])]
    height = rng.uniform(low, high)
    pitch = rng.uniform(-4, 8) + 7 * max(0, height - 1)
    turn = {'room': 30, 'street': 20}.get(kind, 0)
    return Camera(size, rng.uniform(.75, 1.35) * max(size), height, pitch, rng.normal(0, 1.5),
                  rng.uniform(-turn, turn))


def arrange(rng: np.random.Generator, place: Place, camera: Camera, recipe: Recipe,
            taken: Sequence[tuple[np.ndarray, Group]] = ()) -> list[Cluster]:
    """
    Put groups of things into a place.

    :param taken: where other groups are, (3,) each, and these.
    :return: clusters in the order of painting, from far to near.
    """
    count = int(rng.integers(recipe.count[0], recipe.count[1] + 1))
    taken = list(taken)
    clusters: list[Cluster] = []
    for _ in range(count):
        group = draw_group(rng, recipe.groups[place.kind])
        spot = _find_spot(rng, group, place, camera, taken, recipe)
        if spot is not None:
            taken.append((spot, group))
            turn = turn_y(rng.uniform(-180, 180) if rng.random() < recipe.any_way
                          else rng.normal(0, recipe.facing))
            clusters += [cluster.moved(spot, turn) for cluster in group.clusters]
    return sorted(clusters, key=lambda cluster: (-np.hypot(*cluster.anchor[[0, 2]]),
                                                 cluster.layer))


def _find_spot(rng: np.random.Generator, group: Group, place: Place, camera: Camera,
               taken: list[tuple[np.ndarray, Group]], recipe: Recipe) -> np.ndarray | None:
    """Return free ground, (3,), where the group is of a size worth seeing, or None."""
    longest = max(group.height, 2 * group.radius) if recipe.apart else group.height
    tall = camera.focal * longest / camera.size[0]  # at one metre: picture heights
    for _ in range(16):
        share = np.exp(rng.uniform(*np.log(recipe.share)))
        depth = np.clip(tall / share, group.radius + .8, place.depth - group.radius)
        spot = camera.ground(rng.uniform(0, 1) * camera.size[1], depth)
        free = all(np.linalg.norm(spot - other) > .75 * (group.radius + neighbour.radius)
                   for other, neighbour in taken)
        margin = group.radius / 2
        if free and spot[2] - margin > -place.depth and (
                -place.left + margin < spot[0] < place.right - margin) and (
                    not recipe.apart or _is_apart(spot, group, camera, taken)):
            return spot
    return None


def _is_apart(spot: np.ndarray, group: Group, camera: Camera,
              taken: list[tuple[np.ndarray, Group]]) -> bool:
    """Return whether a group at a spot is in the picture, and neither hides nor is hidden."""
    low, high = _outline(spot, group, camera)
    if (low < 0).any() or (high > camera.size[::-1]).any():
        return False
    others = [_outline(*other, camera) for other in taken]
    return all((low > end).any() or (high < start).any() for start, end in others)


def _outline(spot: np.ndarray, group: Group, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners, left top and right bottom in pixels, around a group at a spot."""
    across = camera.rotation[0] * group.radius
    up = np.array([0, group.height, 0])
    corners, _ = camera.project(spot + [across, -across, across + up, up - across])
    return corners.min(axis=0), corners.max(axis=0)
