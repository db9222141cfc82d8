# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Planes that are fitted to distances, against surfaces in closed form."""

import numpy as np
import pytest

from mcn_ros.data.formats.normals import Intrinsics, surface_normals

CAMERA = Intrinsics(60.0, 55.0, 30.0, 22.0)
SIZE = 48, 64
RADIUS = 6


@pytest.fixture(scope='module')
def rays():
    """Return (H, W, 3): where the rays of the pixels pass the plane at one metre."""
    rows, columns = np.indices(SIZE)
    return np.stack([(columns - CAMERA.cx) / CAMERA.fx, (rows - CAMERA.cy) / CAMERA.fy,
                     np.ones(SIZE)], axis=-1)


def plane(rays, normal, distance):
    """Return depth (H, W) of a plane with a unit normal towards the camera."""
    return -distance / (rays @ normal)


def unit(*vector):
    """Return a unit vector."""
    return np.array(vector) / np.linalg.norm(vector)


def degrees(found, normal):
    """Return angles between vectors (..., 3)."""
    return np.degrees(np.arccos(np.clip((found * normal).sum(axis=-1), -1, 1)))


@pytest.mark.parametrize('normal', [
    unit(0, 0, -1), unit(0.5, 0, -1), unit(0, -0.7, -1), unit(-0.4, 0.3, -1)])
def test_planes_are_found_to_the_border(rays, normal):
    found = surface_normals(plane(rays, normal, 2.0), CAMERA, RADIUS)
    inside = found[RADIUS:-RADIUS, RADIUS:-RADIUS]
    assert found.dtype == np.float32 and degrees(inside, normal).max() < 0.1
    known = np.isfinite(found).all(axis=2)
    assert known.all() or known[1:-1, 1:-1].mean() > 0.95
    assert np.nanmax(degrees(found, normal)) < 0.1


def test_the_unit_does_not_matter(rays):
    depth = plane(rays, unit(0.2, -0.5, -1), 1.0)
    assert np.allclose(surface_normals(depth, CAMERA, RADIUS),
                       surface_normals(1000 * depth, CAMERA, RADIUS), atol=1e-5, equal_nan=True)


def test_a_surface_in_front_bends_nothing(rays):
    wall, box = unit(0.3, 0, -1), unit(-0.5, 0, -1)
    front = np.zeros(SIZE, bool)
    front[10:40, 20:45] = True
    depth = np.where(front, plane(rays, box, 1.0), plane(rays, wall, 3.0))
    found = surface_normals(depth, CAMERA, RADIUS)
    for place, normal in ((front, box), (~front, wall)):
        known = place & np.isfinite(found).all(axis=2)
        assert known.sum() > 0.9 * place.sum()
        assert degrees(found[known], normal).max() < 1


def test_spheres_and_noise(rays):
    rng = np.random.default_rng(0)
    middle, radius = np.array([0, 0, 3.0]), 2.0
    along, length = rays @ middle, (rays ** 2).sum(axis=-1)
    depth = (along - np.sqrt(along ** 2 - length * (middle @ middle - radius ** 2))) / length
    truth = (depth[..., None] * rays - middle) / radius
    depth = 1 / (1 / depth + rng.normal(0, 0.002, SIZE))
    found = surface_normals(depth, CAMERA, RADIUS)
    assert np.isfinite(truth).all() and np.isfinite(found).all(axis=2).mean() > 0.9
    assert np.nanmedian(degrees(found, truth)) < 3


def test_what_is_not_measured_is_not_known(rays):
    depth = plane(rays, unit(0, 0, -1), 2.0)
    depth[5:20, 30:50] = np.nan
    found = surface_normals(depth, CAMERA, RADIUS)
    known = np.isfinite(found).all(axis=2)
    assert not known[5:20, 30:50].any() and known[25:40, 10:50].all()
    assert degrees(found[known], unit(0, 0, -1)).max() < 0.1


@pytest.mark.parametrize('keep', [
    (slice(20, 21), slice(None)), (slice(None), slice(20, 21)), (slice(20, 22), slice(20, 22)),
    (slice(0, 0), slice(0, 0))])
def test_lines_and_points_are_no_planes(rays, keep):
    depth = np.full(SIZE, np.nan)
    depth[keep] = plane(rays, unit(0, 0, -1), 2.0)[keep]
    assert np.isnan(surface_normals(depth, CAMERA, RADIUS)).all()
