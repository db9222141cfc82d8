# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What a camera sees of a scene, and the annotations of that in the format of COCO.

Masks are exactly the pixels that are seen, boxes are tight around them. A joint is visible (2)
where the pixel shows the right part of its person, hidden (1) where something else is in front,
and not labelled (0) outside of the picture; as in COCO, so is a nose, an eye or an ear on the far
side of its head.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Iterable, Sequence

import numpy as np
from pycocotools import mask as coco_mask

from mcn_ros.data.synthetic.background import Place
from mcn_ros.data.synthetic.camera import Camera, NEAR
from mcn_ros.data.synthetic.canvas import Canvas, GARMENT, THING
from mcn_ros.data.synthetic.groups import CATEGORIES, Cluster, Item
from mcn_ros.data.synthetic.people import HEAD, OWN_PARTS, PELVIS, TORSO
from mcn_ros.data.synthetic.solids import Blob, Solid
from mcn_ros.data.synthetic.surfaces import measure
from mcn_ros.vocabulary import COCO_CATEGORIES, COCO_SKELETON

CATEGORY_IDS = {name: number for number, name in COCO_CATEGORIES.items() if name in CATEGORIES}

# A thing of which less is seen is not labelled: a share of the picture's pixels.
MIN_SEEN = 2.5e-4


@dataclass(frozen=True)
class View:
    """
    What a camera sees of things in a place.

    :param camera: that sees them.
    :param place: where they are.
    :param items: the things, which are numbered from 1 on.
    :param picture: (H, W, 3) uint8 RGB, as no lens has it.
    :param owners: (H, W) uint16: THING * number of the thing + its part; below THING is the place.
    :param seen: (H, W) uint16, number of the surface.
    :param solids: by the number of their surface.
    """

    camera: Camera
    place: Place
    items: Sequence[Item]
    picture: np.ndarray
    owners: np.ndarray
    seen: np.ndarray
    solids: Sequence[Solid | None]

    @cached_property
    def numbers(self) -> np.ndarray:
        """Return (H, W) uint16: the number of the thing, 0 where there is none."""
        return self.owners // THING

    @cached_property
    def shape(self) -> tuple[np.ndarray, np.ndarray]:
        """Return distances and normals of the pixels, see :func:`measure`."""
        return measure(self.seen, self.solids, self.place, self.camera)

    def full_box(self, number: int) -> np.ndarray:
        """Return (4,) xyxy around all of a thing, also what is hidden or out of the picture."""
        return _outer_box(self.items[number - 1].solids, self.camera)

    def visible(self, number: int) -> float:
        """Return the area of the box around what is seen as a share of that around the thing."""
        seen = _box(self.numbers == number)
        return _area(seen) / _area(_around(seen, self.full_box(number)))

    def annotations(self) -> list[dict[str, Any]]:
        """
        Return annotations as a COCO file has them, but without ids; only of ``CATEGORIES``.

        Those of people have two more keys: ``full_bbox``, around all of the person, and
        ``vis_ratio``, the share that the visible box has of its area.
        """
        annotations = (self.annotate(number) for number in range(1, len(self.items) + 1))
        return [annotation for annotation in annotations if annotation is not None]

    def annotate(self, number: int) -> dict[str, Any] | None:
        """Return the annotation of a thing, None if it has no class or too little is seen."""
        item, mask = self.items[number - 1], self.numbers == number
        area = int(mask.sum())
        if item.category is None or area < MIN_SEEN * mask.size:
            return None
        box = _box(mask)
        runs = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
        annotation = {
            'category_id': CATEGORY_IDS[item.category], 'bbox': _extent(box), 'area': area,
            'iscrowd': 0, 'segmentation': {'size': list(runs['size']),
                                           'counts': runs['counts'].decode('ascii')}}
        if item.joints is not None:
            keypoints = _see_joints(item.joints, number, self.owners, self.camera)
            annotation['keypoints'] = [value for joint in keypoints for value in joint]
            annotation['num_keypoints'] = sum(joint[2] > 0 for joint in keypoints)
            annotation['full_bbox'] = [
                round(x, 2) for x in _extent(_around(box, self.full_box(number)))]
            annotation['vis_ratio'] = round(self.visible(number), 4)
        return annotation


def paint_view(place: Place, clusters: Iterable[Cluster], camera: Camera) -> View:
    """
    Paint things in a place.

    :param place: as the camera sees it with nothing in it.
    :param clusters: the things in the order of painting, from far to near.
    :param camera: that sees them.
    """
    clusters = list(clusters)
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
    return View(camera, place, items, picture, owners, canvas.seen(), canvas.solids)


def _box(mask: np.ndarray) -> np.ndarray:
    """Return (4,) int64 xyxy around the pixels of a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def _outer_box(solids: Iterable[Solid], camera: Camera) -> np.ndarray:
    spheres = np.concatenate([
        solid.spheres if isinstance(solid, Blob) else np.insert(solid.points, 3, 0, axis=1)
        for solid in solids])
    spots, depths = camera.project(spheres[:, :3])
    front = depths > NEAR
    reach = (camera.focal * spheres[:, 3] / depths)[front, None]
    return np.concatenate([(spots[front] - reach).min(axis=0, initial=np.inf),
                           (spots[front] + reach).max(axis=0, initial=-np.inf)])


def _around(box: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return (4,) xyxy around two boxes."""
    return np.concatenate([np.minimum(box, other)[:2], np.maximum(box, other)[2:]])


def _area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _extent(box: np.ndarray) -> list[float]:
    """Return left, top, width and height."""
    left, top, right, bottom = box.tolist()
    return [left, top, right - left, bottom - top]


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
        own, part = OWN_PARTS[name], part & ~GARMENT
        if not inside or (HEAD in own and depth > head + .03):
            seen.append((0, 0, 0))
        elif owner != number or part not in own:
            seen.append((x, y, 1))
        else:
            # The far shoulder or hip is behind the trunk, although the trunk is its part.
            behind = part in (TORSO, PELVIS) and depth > trunk + .07
            seen.append((x, y, 1 if behind else 2))
    return seen
