# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rays and rounded bodies, against all spheres of a body, finely sampled."""

import numpy as np
import pytest

from mcn_ros.data.synthetic.hulls import meet_blob
from mcn_ros.data.synthetic.solids import Blob, blob, ring

RAYS = np.column_stack([np.random.default_rng(0).uniform(-.35, .35, (200, 2)), np.ones(200)])


def shares(count, steps=40):
    """Return weights (W, count) that sum to 1."""
    grids = np.meshgrid(*[np.arange(steps + 1)] * (count - 1), indexing='ij')
    first = np.stack([grid.reshape(-1) for grid in grids], axis=1) if grids else np.zeros((1, 0))
    weights = np.column_stack([first, steps - first.sum(axis=1)]) / steps
    return weights[(weights >= 0).all(axis=1)]


def sampled(body):
    """Return the spheres of a body, (S, 4), also those between its own."""
    pieces = body.pieces or (tuple(range(len(body.spheres))),)
    return np.concatenate([shares(len(piece), 60 if len(piece) < 4 else 26)
                           @ body.spheres[list(piece)] for piece in pieces])


def first_hits(spheres, rays):
    """Return distances (N,), infinite for a miss, and how far each ray passes, (N,)."""
    unit = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    along = unit @ spheres[:, :3].T
    aside = np.sqrt(np.maximum((spheres[:, :3] ** 2).sum(axis=1) - along ** 2, 0))
    depth = np.sqrt(np.maximum(spheres[:, 3] ** 2 - aside ** 2, 0))
    hits = np.where(aside <= spheres[:, 3], along - depth, np.inf)
    return (hits.min(axis=1) / np.linalg.norm(rays, axis=1),
            (aside - spheres[:, 3]).min(axis=1))


def random_body(count, seed):
    rng = np.random.default_rng(seed)
    spheres = np.column_stack([rng.uniform(-.9, .9, (count, 2)), rng.uniform(3.5, 5, count),
                               rng.uniform(.2, .6, count)])
    return Blob(spheres, (9, 9, 9))


BODIES = {f'{count} spheres, {seed}': random_body(count, seed)
          for count, seed in ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (4, 0))} | {
    'one within another': blob([(0, 0, 4, .8), (.1, 0, 4.1, .3)], (9, 9, 9)),
    'in a row': blob([(-.5, 0, 4, .2), (0, 0, 4, .4), (.5, 0, 4, .2)], (9, 9, 9)),
    'towards the eye': blob([(0, 0, 3, .3), (.05, 0, 5, .5)], (9, 9, 9)),
    'a chain': blob([(-.6, -.5, 4, .2), (0, .5, 4.5, .3), (.7, -.4, 4, .1)], (9, 9, 9),
                    chain=True),
    'a ring': ring(.8, .1, (9, 9, 9), (0, 0, 4), segments=9)}


@pytest.fixture(scope='module', params=BODIES)
def met(request):
    """Return spheres of a body, what rays meet, and what and how far off by the spheres."""
    spheres = sampled(BODIES[request.param])
    return spheres, *meet_blob(BODIES[request.param], RAYS), *first_hits(spheres, RAYS)


def gaps(points, spheres):
    """Return how far points are from the nearest sphere, (N,)."""
    return (np.linalg.norm(points[:, None] - spheres[None, :, :3], axis=2)
            - spheres[:, 3]).min(axis=1)


def test_rays_meet_the_first_sphere(met):
    _, distance, normals, expected, gap = met
    inside = gap < -.01
    assert inside.sum() > 5
    # No sample is nearer than the surface, and some sample is nearly as near.
    assert (distance[inside] <= expected[inside] + 1e-9).all()
    assert (distance[inside] > expected[inside] - .02).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-9)
    assert ((normals * RAYS).sum(axis=1) < 1e-9).all()


def test_normals_are_those_of_the_surface(met):
    spheres, distance, normals, _, gap = met
    inside = gap < -.01
    points = (distance[:, None] * RAYS)[inside]
    slopes = np.stack([gaps(points + step, spheres) - gaps(points - step, spheres)
                       for step in 1e-4 * np.eye(3)], axis=1)
    slopes /= np.linalg.norm(slopes, axis=1, keepdims=True)
    angles = np.degrees(np.arccos(np.clip((slopes * normals[inside]).sum(axis=1), -1, 1)))
    # The samples themselves are facets of some degrees; creases between pieces have no normal.
    assert np.median(angles) < 2.5 and np.mean(angles < 12) > .95


def test_a_ray_that_passes_faces_outwards_at_a_right_angle(met):
    spheres, distance, normals, _, gap = met
    passes = gap > .01
    assert passes.sum() > 20
    assert np.abs((normals * RAYS).sum(axis=1)[passes]).max() < 1e-9
    # As far away as the ray passes, the normal leads back to the surface.
    points = (distance[:, None] * RAYS - gap[:, None] * normals)[passes]
    assert np.abs(gaps(points, spheres)).max() < .01
