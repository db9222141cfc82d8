# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Scenes: things put into a place, painted, photographed and annotated.

The annotations are those of a COCO file. Masks are exactly the pixels that are seen, boxes are
tight around them. A joint is visible (2) where the pixel shows the right part of its person,
hidden (1) where something else is in front, and not labelled (0) outside of the picture; as in
COCO, so is a nose, an eye or an ear on the far side of its head.
"""

from typing import Any, NamedTuple, Sequence

import numpy as np
from pycocotools import mask as coco_mask

from mcn_ros.data.synthetic.background import draw_place, Place
from mcn_ros.data.synthetic.camera import Camera, NEAR
from mcn_ros.data.synthetic.canvas import Canvas, THING
from mcn_ros.data.synthetic.groups import CATEGORIES, Cluster, draw_group, Group, Item
from mcn_ros.data.synthetic.lens import photograph
from mcn_ros.data.synthetic.people import HEAD, OWN_PARTS, PELVIS, TORSO
from mcn_ros.data.synthetic.recipes import EVERYDAY, PLACE_WEIGHTS, Recipe
from mcn_ros.data.synthetic.solids import turn_y
from mcn_ros.geometry import Size
from mcn_ros.vocabulary import COCO_CATEGORIES, COCO_SKELETON

CATEGORY_IDS = {name: number for number, name in COCO_CATEGORIES.items() if name in CATEGORIES}

# A thing of which less is seen is not labelled: a share of the picture's pixels.
MIN_SEEN = 2.5e-4


class Scene(NamedTuple):
    """
    A picture and what is in it.

    :param image: (H, W, 3) uint8 RGB.
    :param annotations: as a COCO file has them, but without ids; only of ``CATEGORIES``.
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
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(list(PLACE_WEIGHTS), p=list(PLACE_WEIGHTS.values())))
    camera = _camera(rng, size, kind, recipe)
    place = draw_place(rng, camera, kind)
    clusters = _furnish(rng, place, camera, recipe)
    canvas = Canvas(place.picture, camera, place.light)
    canvas.paint([(0, place.decor)])
    items = [item for cluster in clusters for item in cluster.items]
    canvas.cast_shadows([solid for item in items for solid in item.solids])
    numbers = iter(range(1, len(items) + 1))
    for cluster in clusters:
        numbered = [(next(numbers), item) for item in cluster.items]
        canvas.paint([(number, item.solids) for number, item in numbered])
        for number, item in numbered:
            if item.printed is not None:
                canvas.overlay(THING * number + TORSO, item.printed.tile, item.printed.tint,
                               item.printed.ends)
    picture, owners = canvas.picture()
    annotations = [_annotate(item, i, owners, camera) for i, item in enumerate(items, 1)
                   if item.category is not None]
    return Scene(photograph(rng, picture), [a for a in annotations if a is not None])


def _camera(rng: np.random.Generator, size: Size, kind: str, recipe: Recipe) -> Camera:
    """Return the eye of a robot, of a person, or of a camera on a wall."""
    low, high = recipe.eyes[rng.choice(3, p=[.3, .5, .2])]
    height = rng.uniform(low, high)
    pitch = rng.uniform(-4, 8) + 7 * max(0, height - 1)
    turn = {'room': 30, 'street': 20}.get(kind, 0)
    return Camera(size, rng.uniform(.75, 1.35) * max(size), height, pitch, rng.normal(0, 1.5),
                  rng.uniform(-turn, turn))


def _furnish(rng: np.random.Generator, place: Place, camera: Camera,
             recipe: Recipe) -> list[Cluster]:
    """Return clusters in the order of painting, from far to near."""
    count = int(rng.integers(recipe.count[0], recipe.count[1] + 1))
    taken: list[tuple[np.ndarray, Group]] = []
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


def _annotate(item: Item, number: int, owners: np.ndarray,
              camera: Camera) -> dict[str, Any] | None:
    """Return the annotation of a thing, None if too little of it is seen."""
    mask = owners // THING == number
    area = int(mask.sum())
    if area < MIN_SEEN * mask.size:
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    runs = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    annotation = {
        'category_id': CATEGORY_IDS[item.category],
        'bbox': [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
        'area': area, 'iscrowd': 0,
        'segmentation': {'size': list(runs['size']), 'counts': runs['counts'].decode('ascii')}}
    if item.joints is not None:
        keypoints = _see_joints(item.joints, number, owners, camera)
        annotation['keypoints'] = [value for joint in keypoints for value in joint]
        annotation['num_keypoints'] = sum(joint[2] > 0 for joint in keypoints)
    return annotation


def _see_joints(joints: np.ndarray, number: int, owners: np.ndarray,
                camera: Camera) -> list[tuple[float, float, int]]:
    """Return x, y and visibility of the 17 joints."""
    spots, depths = camera.project(joints)
    names = COCO_SKELETON.keypoint_names
    head = depths[[names.index('left_ear'), names.index('right_ear')]].mean()
    trunk = depths[[names.index(f'{side}_{joint}') for side in ('left', 'right')
                    for joint in ('shoulder', 'hip')]].mean()
    seen = []
    for name, (x, y), depth in zip(names, spots.round(2).tolist(), depths.tolist()):
        inside = 0 <= x < owners.shape[1] and 0 <= y < owners.shape[0] and depth > NEAR
        owner, part = divmod(int(owners[int(y), int(x)]), THING) if inside else (0, 0)
        own = OWN_PARTS[name]
        if not inside or (HEAD in own and depth > head + .03):
            seen.append((0, 0, 0))
        elif owner != number or part not in own:
            seen.append((x, y, 1))
        else:
            # The far shoulder or hip is behind the trunk, although the trunk is its part.
            behind = part in (TORSO, PELVIS) and depth > trunk + .07
            seen.append((x, y, 1 if behind else 2))
    return seen
