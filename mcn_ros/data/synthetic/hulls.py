# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Where rays meet rounded bodies.

The surface of a convex hull of spheres is made of parts of its spheres, of cones around two of
them, and of triangles that touch three: a ray meets it where it meets the first of these. Rays
begin at the origin; in t times a ray, t is the distance.
"""

from itertools import combinations

import numpy as np

from mcn_ros.data.synthetic.solids import Blob

_TINY = 1e-12


def meet_blob(body: Blob, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Return where rays meet a body, or where they pass closest to it.

    :param body: its spheres in the frame of the rays, the origin outside of all.
    :param rays: (N, 3) directions.
    :return: distances (N,), and (N, 3) unit normals; that of a ray which passes is at a right
        angle to it.
    """
    centers, radii = body.spheres[:, :3], body.spheres[:, 3]
    pieces = body.pieces or (tuple(range(len(radii))),)
    pairs, triples = (sorted({c for piece in pieces for c in combinations(sorted(piece), k)})
                      for k in (2, 3))
    # Spheres within a body, by centre and radius, that touch the surface where each ray meets it.
    distance, middle = _meet_spheres(centers, radii, rays)
    for a, b in pairs:
        _keep_nearer(distance, middle, *_meet_cone(centers[a], centers[b] - centers[a], radii[a],
                                                   radii[b] - radii[a], rays))
    normals = rays * np.where(np.isinf(distance), 0, distance)[:, None] - middle
    for triple in triples:
        for normal, corners in _tangent_triangles(centers[list(triple)], radii[list(triple)]):
            there = _meet_triangle(normal, corners, rays)
            nearer = there < distance
            distance[nearer], normals[nearer] = there[nearer], normal
    missed = np.isinf(distance)
    if missed.any():
        distance[missed], normals[missed] = _pass(centers, radii, pairs, rays[missed])
    return distance, normals / np.sqrt(dot(normals, normals))[:, None]


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the scalar products of rows, (N,)."""
    return np.einsum('ij,ij->i', a, b)


def _keep_nearer(distance: np.ndarray, middle: np.ndarray, there: np.ndarray,
                 other: np.ndarray) -> None:
    nearer = there < distance
    distance[nearer], middle[nearer] = there[nearer], other[nearer]


def _meet_spheres(centers: np.ndarray, radii: np.ndarray,
                  rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) distances, infinite where rays miss, and (N, 3) centres of the spheres met."""
    square = dot(rays, rays)[:, None]
    along = rays @ centers.T
    inside = along ** 2 - square * (dot(centers, centers) - radii ** 2)
    distances = np.where(inside >= 0, (along - np.sqrt(np.maximum(inside, 0))) / square, np.inf)
    first = distances.argmin(axis=1)
    return distances[np.arange(len(rays)), first], centers[first]


def _meet_cone(start: np.ndarray, axis: np.ndarray, radius: float, growth: float,
               rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Meet the spheres at start + s axis with radius + s growth for s in 0..1, all at once.

    A point of a ray is on the surface of such a sphere, and, as the sphere touches the cone there,
    the distance to that surface has no slope in s: two equations for s and the distance.
    """
    nothing = np.full(len(rays), np.inf), np.zeros((len(rays), 3))
    length = axis @ axis - growth ** 2
    if length < _TINY:  # one sphere is inside of the other
        return nothing
    along, offset = rays @ axis, radius * growth - start @ axis
    a = dot(rays, rays) - along ** 2 / length
    b = rays @ start + along * offset / length
    c = start @ start - radius ** 2 - offset ** 2 / length
    with np.errstate(invalid='ignore', divide='ignore'):
        root = np.sqrt(b * b - a * c)
        distances = np.stack([(b - root) / a, (b + root) / a])
        shares = (distances * along + offset) / length
    distances[~((shares >= 0) & (shares <= 1) & (distances > 0))] = np.inf
    first = distances.argmin(axis=0)
    index = first, np.arange(len(rays))
    share = np.where(np.isinf(distances[index]), 0, shares[index])
    return distances[index], start + share[:, None] * axis


def _tangent_triangles(centers: np.ndarray,
                       radii: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return normals (3,) and corners (3, 3) of the two triangles that touch three spheres."""
    edges, steps = centers[1:] - centers[0], radii[0] - radii[1:]
    across = np.cross(*edges)
    area = across @ across
    if area < _TINY:  # in a row
        return []
    flat = np.linalg.solve(edges @ edges.T, steps) @ edges
    rest = 1 - flat @ flat
    if rest < 0:  # one sphere is inside of the hull of the others
        return []
    normals = [flat + sign * np.sqrt(rest / area) * across for sign in (1, -1)]
    return [(normal, centers + radii[:, None] * normal) for normal in normals]


def _meet_triangle(normal: np.ndarray, corners: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Return (N,) distances, infinite where rays miss."""
    with np.errstate(invalid='ignore', divide='ignore'):
        distance = (normal @ corners[0]) / (rays @ normal)
        points = distance[:, None] * rays - corners[0]
        edges = corners[1:] - corners[0]
        shares = points @ edges.T @ np.linalg.inv(edges @ edges.T)
    inside = (shares >= 0).all(axis=1) & (shares.sum(axis=1) <= 1) & (distance > 0)
    return np.where(inside, distance, np.inf)


def _pass(centers: np.ndarray, radii: np.ndarray, pairs: list[tuple[int, int]],
          rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return distances (N,) at which rays pass closest, and directions (N, 3) away from there."""
    square = dot(rays, rays)

    def gap(places: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how far rays pass spheres, and (N, 3) from the centres to the rays."""
        outwards = (dot(places, rays) / square)[:, None] * rays - places
        return np.sqrt(dot(outwards, outwards)) - sizes, outwards

    best = np.full(len(rays), np.inf)
    normals, distance = np.zeros_like(rays), np.zeros(len(rays))
    for a, b in [*((i, i) for i in range(len(radii))), *pairs]:
        axis, growth = centers[b] - centers[a], radii[b] - radii[a]
        share = _closest_share(centers[a], axis, growth, rays)
        places = centers[a] + share[:, None] * axis
        gaps, outwards = gap(places, radii[a] + share * growth)
        closer = gaps < best
        best[closer], normals[closer] = gaps[closer], outwards[closer]
        distance[closer] = (dot(places, rays) / square)[closer]
    return distance, normals


def _closest_share(start: np.ndarray, axis: np.ndarray, growth: float,
                   rays: np.ndarray) -> np.ndarray:
    """Return the s in 0..1, (N,), whose sphere start + s axis comes closest to each ray."""
    unit = rays / np.sqrt(dot(rays, rays))[:, None]
    flat_start = start - (unit @ start)[:, None] * unit
    flat_axis = axis - (unit @ axis)[:, None] * unit
    length = np.sqrt(dot(flat_axis, flat_axis))
    with np.errstate(invalid='ignore', divide='ignore'):
        foot = -dot(flat_start, flat_axis) / length ** 2
        aside = flat_start + foot[:, None] * flat_axis
        slope = growth / length
        share = foot + np.sqrt(dot(aside, aside)) * slope / np.sqrt(1 - slope ** 2) / length
    return np.where(np.isfinite(share), share, growth > 0).clip(0, 1)
