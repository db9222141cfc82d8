# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Predictions of an image in space: pixels of another size, masks, and places on the ground."""

import numpy as np
import pytest

from mcn_ros.benchmark.depth_scene import CLASSES, objects, scene, surface
from mcn_ros.spatial.scene import Scene
from mcn_ros.spatial.surface import surface_of_cloud
from mcn_ros.structures import ClassMap
from mcn_ros.tasks import build_tasks

TASK = build_tasks({'detection': {'classes': CLASSES}})['detection']
PEOPLE = [(40, 40, 80, 200, 2.0), (200, 80, 240, 160, 4.0)]
DEPTH, LABELS = scene(PEOPLE)
FOUND = objects(*(person[:4] for person in PEOPLE))


def test_the_image_may_be_larger_than_the_depth():
    small = Scene.of(surface(DEPTH), DEPTH.shape).lift(FOUND, TASK)
    double = objects(*(2 * np.array(person[:4]) for person in PEOPLE))
    size = DEPTH.shape[0] * 2, DEPTH.shape[1] * 2
    np.testing.assert_array_equal(
        Scene.of(surface(DEPTH), size).lift(double, TASK).positions, small.positions)
    with pytest.raises(ValueError, match='depth'):
        Scene.of(surface(DEPTH), (480, 480))


def test_areas_tell_which_pixels_are_of_an_object():
    wide = objects((40, 40, 200, 200))  # three quarters of it are wall
    plain, masked = (Scene.of(surface(DEPTH), DEPTH.shape, areas).lift(wide, TASK)
                     for areas in (None, (ClassMap(LABELS), CLASSES)))
    assert plain.depths == pytest.approx(6) and masked.depths == pytest.approx(2)


def test_the_ground_is_right_and_ahead_of_the_camera_or_that_of_the_target_frame():
    view = Scene.of(surface(DEPTH), DEPTH.shape)
    ground = view.ground(FOUND, TASK)
    x = [(59.5 - 161) / 300 * 2, (219.5 - 161) / 300 * 4]
    np.testing.assert_allclose(ground, np.column_stack([x, [2, 4]]), atol=0.02)
    # A cloud with x forward, y left and z up; and a target frame with these axes, 10 m behind.
    turn = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    cloud = surface_of_cloud((surface(DEPTH).all_points() @ turn.T).astype(np.float32))
    view = Scene.of(cloud, DEPTH.shape)
    np.testing.assert_allclose(view.ground(FOUND, TASK), ground, atol=0.01)
    view = Scene.of(surface(DEPTH), DEPTH.shape,
                    transform=np.column_stack([turn, [10.0, 0, 0]]))
    np.testing.assert_allclose(view.ground(FOUND, TASK),
                               np.column_stack([ground[:, 1] + 10, -ground[:, 0]]), atol=0.01)


def test_what_has_no_depth_is_nowhere_on_the_ground():
    depth = DEPTH.copy()
    depth[:, 150:] = np.nan
    view = Scene.of(surface(depth), depth.shape)
    ground = view.ground(FOUND, TASK)
    assert np.isfinite(ground[0]).all() and np.isnan(ground[1]).all()
