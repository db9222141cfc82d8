# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Distances and normals of pictures, against the geometry of what is painted."""

from dataclasses import replace

import numpy as np
import pytest

from mcn_ros.data.synthetic.background import draw_place, PLACES
from mcn_ros.data.synthetic.camera import Camera
from mcn_ros.data.synthetic.groups import Cluster, draw_group, GROUPS, Item
from mcn_ros.data.synthetic.solids import (
    Blob, blob, box, moved, sheet, turn_x, turn_y)
from mcn_ros.data.synthetic.view import paint_view
from mcn_ros.structures import VectorMap

CAMERA = Camera((72, 96), 90.0, 1.3, pitch=8, roll=4, yaw=12, place=(.4, -.3))
MIRROR = np.array([-1.0, 1, 1])


def view_of(solids, camera=CAMERA, kind='studio'):
    place = draw_place(np.random.default_rng(0), camera, kind)
    return paint_view(place, [Cluster([Item(None, solids)], np.zeros(3))], camera)


def in_the_world(view, camera=CAMERA):
    """Return points and normals of the pixels in the world, by a way of its own."""
    depth, normals = view.shape
    rows, columns = np.indices(depth.shape)
    height, width = camera.size
    right, up, back = camera.rotation
    x, y = (columns + .5 - width / 2) / camera.focal, (height / 2 - rows - .5) / camera.focal
    rays = x[..., None] * right + y[..., None] * up - back
    with np.errstate(invalid='ignore'):  # infinitely far away
        points = [camera.place[0], camera.height, camera.place[1]] + depth[..., None] * rays
    normals = normals[..., :1] * right - normals[..., 1:2] * up - normals[..., 2:] * back
    return points, normals, rays


def inner(mask):
    """Return the pixels of a mask all of whose neighbours are of it."""
    inside = mask.copy()
    for shift in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        inside &= np.roll(mask, shift, (0, 1))
    return inside


def test_a_ball_is_round():
    view = view_of([blob([(.8, 1.0, -4, .7)], (9, 9, 9))])
    points, normals, _ = in_the_world(view)
    ball = inner(view.numbers == 1)
    assert ball.sum() > 400
    radial = (points[ball] - [.8, 1.0, -4]) / .7
    np.testing.assert_allclose(np.linalg.norm(radial, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(normals[ball], radial, atol=1e-4)
    assert np.isinf(view.shape[0][view.numbers == 0]).all()
    assert np.isnan(view.shape[1][view.numbers == 0]).all()


def test_a_box_has_flat_sides():
    turn, middle, half = turn_y(30) @ turn_x(20), np.array([.6, .8, -4]), np.array([.5, .7, .4])
    view = view_of(moved(box(2 * half, (9, 9, 9), (0, 0, 0)), middle, turn))
    points, normals, _ = in_the_world(view)
    mask = np.any([inner(view.seen == side) for side in np.unique(view.seen) if side], axis=0)
    assert mask.sum() > 600
    points, normals = (points[mask] - middle) @ turn, normals[mask] @ turn
    side = np.argmax(np.abs(normals), axis=1)
    rows = np.arange(len(side))
    assert set(side) == {0, 1, 2}
    np.testing.assert_allclose(np.abs(normals[rows, side]), 1, atol=1e-5)
    # Each point is on the side of the box that its normal says.
    np.testing.assert_allclose(points[rows, side], half[side] * np.sign(normals[rows, side]),
                               atol=1e-4)
    assert (np.abs(points) <= half + 1e-4).all()


def test_a_sheet_is_the_same_from_both_sides():
    corners = np.array([(-.5, 1.8, -4), (-.6, .5, -3.5), (.9, .5, -3.8), (.9, 1.7, -4.2)])
    corners[3] = corners[0] + corners[2] - corners[1]  # in one plane
    views = [view_of([sheet(points, (9, 9, 9))]) for points in (corners, corners[::-1])]
    seen = inner(views[0].numbers == 1)
    assert seen.sum() > 500
    for ours, theirs in zip(*(view.shape for view in views)):
        np.testing.assert_allclose(ours[seen], theirs[seen], atol=1e-5)
    points, normals, _ = in_the_world(views[0])
    np.testing.assert_allclose((points[seen] - corners[0]) @ normals[seen][0], 0, atol=1e-5)


def test_the_rim_of_a_face_that_is_seen_edgewise_does_not_face_away():
    camera = replace(CAMERA, pitch=-.446, roll=10)
    level = camera.height - .001
    view = view_of([sheet([(-.5, level, -5), (-.5, level, -3), (2, level, -3), (2, level, -5)],
                          (9, 9, 9))], camera)
    _, normals, rays = in_the_world(view, camera)
    seen = view.numbers == 1
    angles = (normals * rays).sum(axis=2)[seen]
    # Some rays go upwards, and see the sheet from above nevertheless.
    assert (rays[seen][:, 1] > 0).any() and (angles < 1e-6).all()
    np.testing.assert_allclose(np.linalg.norm(normals[seen], axis=1), 1, atol=1e-5)
    depths = camera.optical(view.items[0].solids[0].points)[:, 2]
    assert depths.min() - 1e-3 < view.shape[0][seen].min()
    assert view.shape[0][seen].max() < depths.max() + 1e-3


@pytest.mark.parametrize('kind', ['room', 'street', 'park'])
def test_places_are_planes(kind):
    view = view_of([blob([(0, 1, -3, .01)], (9, 9, 9))], kind=kind)
    points, normals, rays = in_the_world(view)
    known = np.isfinite(view.shape[0]) & (view.numbers == 0) & (view.seen == 0)
    assert known.mean() > (.9 if kind == 'room' else .3)
    points, normals, rays = points[known], normals[known], rays[known]
    axis = np.argmax(np.abs(normals), axis=1)
    ground = (axis == 1) & (normals[:, 1] > 0)
    assert ground.any() and (np.abs(points[ground, 1]) < .02).all()
    place, eye = view.place, CAMERA.eye
    if kind == 'room':
        walls = {-place.left, place.right}
        assert all(min(abs(x - wall) for wall in walls) < 1e-3 for x in points[axis == 0, 0])
        np.testing.assert_allclose(points[axis == 2, 2], -place.depth, atol=1e-3)
        assert (axis == 2).any()
    assert ((normals * (points - eye)).sum(axis=1) < 0).all()
    np.testing.assert_allclose(np.abs(normals[np.arange(len(axis)), axis]), 1, atol=1e-5)


def scene_of(kind, seed):
    """Return clusters of a group before the camera."""
    rng = np.random.default_rng(seed)
    group = draw_group(rng, GROUPS[kind])
    spot, turn = np.array([.8, 0, -3.2 - group.radius]), turn_y(rng.uniform(-180, 180))
    return [cluster.moved(spot, turn) for cluster in group.clusters]


@pytest.mark.parametrize('seed', range(12))
def test_what_is_painted_faces_the_camera_and_is_where_it_is(seed):
    kind = list(PLACES)[seed % 4]
    clusters = scene_of(kind, seed)
    place = draw_place(np.random.default_rng(seed), CAMERA, kind)
    view = paint_view(place, clusters, CAMERA)
    points, normals, rays = in_the_world(view)
    things = view.numbers > 0
    assert things.any() and np.isfinite(view.shape[0][things]).all()
    np.testing.assert_allclose(np.linalg.norm(normals[things], axis=1), 1, atol=1e-5)
    assert ((normals * rays).sum(axis=2)[things] < 1e-5).all()
    for number, item in enumerate(view.items, 1):
        corners = np.concatenate([
            s.spheres[:, :3] + sign * s.spheres[:, 3:] if isinstance(s, Blob) else s.points
            for s in item.solids for sign in (1, -1)])
        mine = view.numbers == number
        # Pixels of the outline are beside the thing by less than their size.
        size = view.shape[0][mine].max(initial=0) / CAMERA.focal
        assert (points[mine] >= corners.min(axis=0) - size).all()
        assert (points[mine] <= corners.max(axis=0) + size).all()


def mirrored(solid):
    if isinstance(solid, Blob):
        return replace(solid, spheres=solid.spheres * [-1, 1, 1, 1])
    return replace(solid, points=(solid.points * MIRROR)[::-1],
                   decals=tuple(map(mirrored, solid.decals)))


@pytest.mark.parametrize('seed', range(6))
def test_the_picture_of_a_mirrored_scene_is_mirrored(seed):
    clusters = scene_of('room', seed)
    twins = [replace(cluster, items=[Item(item.category, list(map(mirrored, item.solids)))
                                     for item in cluster.items]) for cluster in clusters]
    camera = replace(CAMERA, size=(144, 192), focal=180.0)
    twin = replace(camera, roll=-camera.roll, yaw=-camera.yaw,
                   place=(-camera.place[0], camera.place[1]))
    views = [paint_view(draw_place(np.random.default_rng(0), eye, 'studio'), things, eye)
             for eye, things in ((camera, clusters), (twin, twins))]
    (depth, normals), (other_depth, other) = (view.shape for view in views)
    affine = np.array([[-1.0, 0, camera.size[1]], [0, 1, 0]])
    back = VectorMap(other).warp(affine, camera.size).vectors
    # Fills round half pixels to the same side, mirrored or not: a few pixels at edges differ.
    same = views[0].seen == views[1].seen[:, ::-1]
    assert same[views[0].numbers > 0].mean() > .8
    np.testing.assert_allclose(depth[same], other_depth[:, ::-1][same], rtol=1e-5)
    np.testing.assert_allclose(normals[same], back[same], atol=1e-4)
