# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Surfaces of images and of clouds: the same places in space."""

import numpy as np
import pytest

from mcn_ros.benchmark.depth_scene import CAMERA, scene, surface
from mcn_ros.spatial.depth import DepthRange
from mcn_ros.spatial.surface import Surface, surface_of_cloud

# From optical axes to x forward, y left, z up.
BODY = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0.0]])
PEOPLE = [(100, 40, 160, 200, 2.0), (200, 80, 230, 180, 4.0)]


@pytest.fixture(scope='module')
def seen():
    depth, _ = scene(PEOPLE, noise=0.02)
    depth[50:60, 120:130] = np.nan
    return surface(depth)


@pytest.mark.parametrize('turn', [np.eye(3), BODY])
def test_a_cloud_tells_its_camera_and_its_depth(seen, turn):
    found = surface_of_cloud(seen.all_points() @ turn.T.astype(np.float32))
    camera = found.camera
    np.testing.assert_allclose([camera.fx, camera.fy, camera.cx, camera.cy],
                               [CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy], rtol=1e-4)
    np.testing.assert_allclose(found.axes, turn.T, atol=1e-5)
    np.testing.assert_allclose(found.depth, seen.depth, rtol=1e-5)
    rows, columns = np.nonzero(~np.isnan(seen.depth))
    np.testing.assert_allclose(found.points(rows, columns),
                               seen.points(rows, columns) @ turn.T, atol=1e-5)
    places = np.array([[10.25, 20.5], [300, 200]])
    np.testing.assert_allclose(found.rays(places), seen.rays(places) @ turn.T, atol=1e-4)
    np.testing.assert_allclose(found.jacobian(places[0], 3.0),
                               turn @ seen.jacobian(places[0], 3.0), rtol=1e-3, atol=1e-5)


def test_the_jacobian_is_that_of_the_points(seen):
    place, depth, step = np.array([33.5, 77.25]), 3.0, 1e-5
    change = np.column_stack([
        (depth * seen.rays(place + [step, 0]) - depth * seen.rays(place)) / step,
        (depth * seen.rays(place + [0, step]) - depth * seen.rays(place)) / step,
        ((depth + step) * seen.rays(place) - depth * seen.rays(place)) / step])
    np.testing.assert_allclose(seen.jacobian(place, depth), change, atol=1e-6)


def test_points_beyond_the_range_are_not_known(seen):
    found = surface_of_cloud(seen.all_points(), DepthRange(near=1.0, far=3.0))
    np.testing.assert_array_equal(np.isnan(found.depth), ~((seen.depth > 1) & (seen.depth < 3)))
    assert np.isnan(found.all_points()[np.isnan(found.depth)]).all()


def test_a_cloud_of_something_else_is_refused():
    # A lidar: rows are elevations and columns azimuths, which no camera sees so.
    azimuth, elevation = np.meshgrid(np.linspace(-3, 3, 64), np.linspace(-0.4, 0.4, 16))
    rays = np.stack([np.cos(azimuth), np.sin(azimuth), np.tan(elevation)], axis=2)
    with pytest.raises(ValueError, match='64x16 points.*not registered'):
        surface_of_cloud((3 * rays).astype(np.float32))


def test_a_cloud_in_the_frame_of_something_else_is_refused(seen):
    with pytest.raises(ValueError, match='origin of its frame'):
        surface_of_cloud(seen.all_points() + np.float32([0.5, 0, 1]))


def test_a_line_of_points_tells_no_camera(seen):
    points = np.full((240, 320, 3), np.nan, np.float32)
    points[100] = seen.all_points()[100]
    with pytest.raises(ValueError, match='not on the rays'):
        surface_of_cloud(points)


@pytest.mark.parametrize('value', [np.nan, 0])
def test_a_cloud_that_saw_nothing_is_not_wrong(value):
    found = surface_of_cloud(np.full((240, 320, 3), value, np.float32))
    assert np.isnan(found.depth).all()


def test_sizes_have_to_agree():
    with pytest.raises(AssertionError):
        Surface(np.zeros((10, 10), np.float32), CAMERA)
