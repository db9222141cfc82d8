# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The shape of what a picture shows: how far away each pixel is, and where it faces."""

from dataclasses import replace
from typing import Sequence

import numpy as np

from mcn_ros.data.synthetic.background import Place
from mcn_ros.data.synthetic.camera import Camera
from mcn_ros.data.synthetic.hulls import dot, meet_blob
from mcn_ros.data.synthetic.solids import Blob, Face, Solid

# The cosine of its angle to the rays below which a face is seen edgewise.
STEEP = .5


def measure(seen: np.ndarray, solids: Sequence[Solid | None], place: Place,
            camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """
    Follow the ray of every pixel to the surface that is painted there.

    :param seen: (H, W) the number of that surface; 0 for the place.
    :param solids: by the number of their surface.
    :param place: what is behind them.
    :param camera: that sees them.
    :return: (H, W) float32 metres along the optical axis, infinite where there is only sky; and
        (H, W, 3) float32 unit normals in the optical frame, towards the camera, NaN there.
    """
    rays = camera.rays().reshape(-1, 3)
    depth, normals = _ground(place, camera, rays)
    flat, numbers = seen.reshape(-1), np.unique(seen)
    faces = [number for number in numbers if isinstance(solids[number], Face)]
    if faces:
        pixels = np.flatnonzero(np.isin(flat, faces))
        depth[pixels], normals[pixels] = _meet_faces(
            [solids[number] for number in faces], np.searchsorted(faces, flat[pixels]),
            rays[pixels], _rim(seen).reshape(-1)[pixels], camera)
    order = np.argsort(flat, kind='stable')
    starts = np.searchsorted(flat[order], [numbers, numbers + 1]).T
    for number, (start, end) in zip(numbers, starts):
        solid = solids[number]
        if isinstance(solid, Blob):
            pixels = order[start:end]
            centers = camera.optical(solid.spheres[:, :3])
            here = replace(solid, spheres=np.hstack([centers, solid.spheres[:, 3:]]))
            depth[pixels], normals[pixels] = meet_blob(here, rays[pixels])
    return (depth.reshape(seen.shape).astype(np.float32),
            normals.reshape(*seen.shape, 3).astype(np.float32))


def _ground(place: Place, camera: Camera, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance and the normal of the place at each pixel, in rows."""
    # Columns of the rotation are the axes of the world, right, up and back of the camera.
    axes = np.vstack([camera.rotation.T * [1, -1, -1], np.full(3, np.nan)])
    normals = axes[place.axis.reshape(-1)]
    normals *= np.where(dot(normals, rays) > 0, -1, 1)[:, None]
    return place.distance.reshape(-1).astype(float), normals


def _rim(seen: np.ndarray) -> np.ndarray:
    """Return (H, W) bool: beside which pixels there is another surface."""
    padded = np.pad(seen, 1, constant_values=np.iinfo(seen.dtype).max)
    height, width = seen.shape
    return np.any([padded[y:y + height, x:x + width] != seen
                   for y, x in ((0, 1), (2, 1), (1, 0), (1, 2))], axis=0)


def _meet_faces(faces: Sequence[Face], which: np.ndarray, rays: np.ndarray, rim: np.ndarray,
                camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """
    Meet each ray with the plane of its face.

    The ray of a pixel at the rim may pass the face: the normal is at most at a right angle to it.

    :param which: (N,) the face of each ray.
    :param rim: (N,) bool: whether its pixel is at the rim.
    """
    corners = _padded([camera.optical(face.points) for face in faces])
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    offset = dot(normals, corners[:, 0])
    normals, offset = normals * np.where(offset > 0, -1, 1)[:, None], -np.abs(offset)
    normals = normals[which]
    square, towards = dot(rays, rays), dot(normals, rays)
    with np.errstate(divide='ignore', invalid='ignore'):  # of a face without an area
        depth = np.where(towards < 0, offset[which] / towards, np.inf)
        edgewise = np.flatnonzero(rim & (-towards < STEEP * np.sqrt(square)))
        depth[edgewise] = _stay_inside(depth[edgewise], rays[edgewise, :2],
                                       corners[which[edgewise]])
        normals = normals - (np.maximum(towards, 0) / square)[:, None] * rays
        normals /= np.sqrt(dot(normals, normals))[:, None]
    return depth, normals


def _padded(polygons: Sequence[np.ndarray]) -> np.ndarray:
    """Return (F, K, 3) corners, of which the last one is repeated where there are fewer."""
    most = max(map(len, polygons))
    return np.array([np.pad(points, ((0, most - len(points)), (0, 0)), mode='edge')
                     for points in polygons])


def _stay_inside(depth: np.ndarray, spots: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """
    Return distances in faces that are seen nearly edgewise.

    Beside such a face, its plane is soon far away from it: there, the nearest point of the outline
    counts.

    :param depth: (N,) of the planes.
    :param spots: (N, 2) x and y of the rays.
    :param corners: (N, K, 3) of their faces.
    """
    start = corners[..., :2] / corners[..., 2:]
    along = np.roll(start, -1, axis=1) - start
    offset = spots[:, None] - start
    square = (along ** 2).sum(axis=2)
    share = ((offset * along).sum(axis=2) / np.maximum(square, 1e-18)).clip(0, 1)
    away = ((offset - share[..., None] * along) ** 2).sum(axis=2)
    # A spot is inside if a line from it to the right crosses the outline an odd number of times.
    above = offset[..., 1] < 0
    turns = offset[..., 0] * along[..., 1] < offset[..., 1] * along[..., 0]
    crosses = (above != np.roll(above, -1, axis=1)) & (turns ^ (along[..., 1] < 0))
    inside = crosses.sum(axis=1) % 2 == 1
    nearest = np.arange(len(depth)), away.argmin(axis=1)
    # Along a line of the picture it is the inverse of the distance that grows evenly.
    inverse = 1 / corners[..., 2]
    inverse += share * (np.roll(inverse, -1, axis=1) - inverse)
    return np.where(inside, depth, 1 / inverse[nearest])
