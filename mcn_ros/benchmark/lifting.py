# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What it takes to bring people from the image into space."""

from types import SimpleNamespace
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from mcn_ros.benchmark.depth_scene import CAMERA, mask, objects, Person, scene
from mcn_ros.benchmark.stopwatch import interleave, show, spread
from mcn_ros.geometry import Size
from mcn_ros.spatial.depth import depth_from_image
from mcn_ros.spatial.joints import lift_joints
from mcn_ros.spatial.lift import lift
from mcn_ros.spatial.subjects import Subjects
from mcn_ros.spatial.surface import Surface
from mcn_ros.structures import Poses
from mcn_ros.tables import markdown
from mcn_ros.vocabulary import COCO_SKELETON

SIZE: Size = (480, 640)
COUNTS = (1, 10)  # people
PARTS = ('depth', 'people', 'joints')
_NEAREST, _APART = 2.0, 0.5  # metres
_NOISE = 0.02  # metres
_CELL = 5  # pixels of the image, about those of a cell of a network


def measure(seconds: float, counts: Sequence[int] = COUNTS, size: Size = SIZE,
            ) -> list[dict[str, Any]]:
    """
    Measure depth to metres, people with their boxes, and their joints.

    :param seconds: about what that may take.
    :param counts: numbers of people.
    :param size: (height, width) of image and depth.
    :return: for each number 'ms' {'depth', 'people', 'joints', 'total': spread}.
    """
    rows = []
    for count in counts:
        times = interleave(_parts(count, size), seconds / len(counts))
        rows.append({'size': list(size), 'people': count,
                     'ms': {**{name: spread(values) for name, values in times.items()},
                            'total': spread(sum(times.values()))}})
    return rows


def _parts(count: int, size: Size) -> Mapping[str, Callable[[], Any]]:
    people = place_people(count, size)
    depth, labels = scene(people, noise=_NOISE, size=size)
    masked, camera = mask(labels, _CELL), CAMERA.resize(size)
    found = objects(*(person[:4] for person in people))
    share = np.random.default_rng(0).random((count, COCO_SKELETON.num_keypoints, 2))
    corner, extent = found.boxes[:, None, :2], found.boxes[:, None, 2:] - found.boxes[:, None, :2]
    poses = Poses(found.boxes, found.scores, (corner + share * extent).astype(np.float32),
                  np.ones(share.shape[:2], np.float32))
    surface, subjects = Surface(depth, camera), Subjects.of_people(poses, 0.5, masked)
    placed = lift(surface, subjects, masked)
    msg = SimpleNamespace(encoding='16UC1', height=size[0], width=size[1], step=2 * size[1],
                          is_bigendian=0, data=(1000 * depth).astype('<u2').tobytes())
    return {'depth': lambda: depth_from_image(msg),
            'people': lambda: lift(surface, subjects, masked),
            'joints': lambda: lift_joints(surface, poses, placed, masked)}


def place_people(count: int, size: Size) -> list[Person]:
    """Return people side by side, each farther away than the one before, some of whom overlap."""
    people = []
    for index in range(count):
        metres = _NEAREST + _APART * index
        height = int(0.85 * size[0] * _NEAREST / metres)
        left = index * size[1] // (count + 1)
        top = (size[0] - height) // 2
        people.append((left, top, left + height * 2 // 5, top + height, metres))
    return people


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the parts as a table: medians and quartiles, in milliseconds."""
    lines = [[f'{row["size"][1]}x{row["size"][0]}', str(row['people']),
              *(show(row['ms'][name], 2) for name in (*PARTS, 'total'))] for row in rows]
    return markdown(['depth image', 'people', 'to metres', 'people in space', 'joints in space',
                     'total'], lines)
