# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Painting: where things appear, what hides what, and whose the pixels are."""

import numpy as np
import pytest

from mcn_ros.data.synthetic.camera import Camera, Light
from mcn_ros.data.synthetic.canvas import Canvas, GARMENT, THING
from mcn_ros.data.synthetic.solids import blob, box, lathe, moved, sheet, turn_y

SIZE = (60, 80)
UP = np.array([0.0, 1.0, 0.0])


def make_canvas(camera=None, ambient=1.0):
    light = Light(UP, ambient, np.ones(3), np.zeros(3), 1e6, 0.5, 1.0)
    camera = camera or Camera(SIZE, 100.0, 0.0)
    return Canvas(np.full((*SIZE, 3), 100, np.uint8), camera, light)


def owners(canvas):
    return canvas.picture()[1] // THING


@pytest.mark.parametrize('point, pixel', [
    ((0, 0, -5), (40, 30)), ((1, 0, -5), (60, 30)), ((0, 1, -5), (40, 10)),
    ((0, 1, -10), (40, 20))])
def test_a_camera_projects(point, pixel):
    spots, depth = Camera(SIZE, 100.0, 0.0).project(np.array([point], float))
    np.testing.assert_allclose(spots[0], pixel)
    np.testing.assert_allclose(depth, -point[2])


@pytest.mark.parametrize('changes, better', [
    ({'pitch': 10}, lambda x, y: y < 30), ({'yaw': 10}, lambda x, y: x < 40),
    ({'height': 1.0}, lambda x, y: y > 30), ({'height': -1.0}, lambda x, y: y < 30)])
def test_a_camera_that_turns_moves_the_picture_the_other_way(changes, better):
    camera = Camera(SIZE, 100.0, **{'height': 0.0, **changes})
    spots, _ = camera.project(np.array([[0, 0, -5.0]]))
    assert better(*spots[0])


@pytest.mark.parametrize('yaw', [-30, 0, 20])
def test_ground_below_a_column(yaw):
    camera = Camera(SIZE, 100.0, 1.5, yaw=yaw)
    spots, depth = camera.project(camera.ground(17.0, 4.0)[None])
    np.testing.assert_allclose(spots[0, 0], 17)
    np.testing.assert_allclose(depth, 4)


def test_a_box_covers_its_projection():
    canvas = make_canvas()
    canvas.paint([(1, box((1, 1, 1), (200, 10, 10), (0, 0, -5.5)))])
    mask = owners(canvas) == 1
    # Its front is 5 m away: 20 pixels a metre. OpenCV fills include their outline.
    rows, columns = np.nonzero(mask)
    extent = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    np.testing.assert_allclose(extent, (20, 40, 30, 50), atol=1)
    colors = canvas.picture()[0]
    assert (colors[22:38, 32:48] == (200, 10, 10)).all()
    assert (colors[~mask] == 100).all(axis=-1).mean() > 0.98


@pytest.mark.parametrize('order', [1, -1])
def test_the_nearer_solid_hides_the_other(order):
    canvas = make_canvas()
    far, near = (box((1, 1, .1), (9, 9, 9), (0, 0, -z)) for z in (6, 4))
    canvas.paint([(1, far), (2, near)][::order])
    assert (owners(canvas)[20:40, 30:50] == 2).all()
    assert not (owners(canvas) == 1).any()


def test_what_is_behind_the_camera_is_not_painted():
    canvas = make_canvas()
    canvas.paint([(1, box((1, 1, 1), (9, 9, 9), (0, 0, 3)))])
    canvas.paint([(2, [blob([(0, 0, 2, .5)], (9, 9, 9))])])
    canvas.paint([(3, box((1, 1, 4), (9, 9, 9), (0, 0, -1)))])  # and what reaches into it
    assert not (owners(canvas) == 1).any() and not (owners(canvas) == 2).any()


def test_a_sphere_is_a_disc():
    canvas = make_canvas()
    canvas.paint([(1, [blob([(0, 0, -5, 1)], (9, 9, 9))])])
    area = (owners(canvas) == 1).sum()
    assert abs(area - np.pi * 20 ** 2) < 0.05 * area


def test_every_pixel_belongs_to_who_gave_it_most_of_its_colour():
    rng = np.random.default_rng(0)
    canvas = make_canvas()
    colors = {}
    for number in range(1, 8):
        colors[number] = rng.integers(0, 256, 3)
        place = rng.uniform(-1, 1, 3) * [1.5, 1, .5] - [0, 0, 5]
        solids = box((.5, .5, .5), colors[number], (0, 0, 0))
        canvas.paint([(number, moved(solids, place, turn_y(rng.uniform(0, 90))))])
    picture, numbers = canvas.picture()
    numbers = numbers // THING
    for number, color in colors.items():
        mine = numbers == number
        interior = mine.copy()
        interior[1:-1, 1:-1] &= (mine[:-2, 1:-1] & mine[2:, 1:-1] & mine[1:-1, :-2]
                                 & mine[1:-1, 2:])
        assert (np.abs(picture[interior].astype(int) - color) <= 1).all()


def test_a_closed_body_hides_its_own_inside():
    canvas = make_canvas(Camera(SIZE, 100.0, 1.0))
    red, blue = (255, 0, 0), (0, 0, 255)
    body = lathe([(1, 0), (1, 2)], [red], top=blue)
    canvas.paint([(1, moved(body, (0, -.5, -6)))])
    picture = canvas.picture()[0]
    # The lid is above the eye; the outline is mixed with the background.
    assert (picture[owners(canvas) == 1][:, 0] > 250).mean() > 0.9


def test_a_sheet_is_seen_from_both_sides_and_a_face_from_one():
    corners = np.array([(-1, 1, -5), (-1, -1, -5), (1, -1, -5), (1, 1, -5.0)])
    for points in (corners, corners[::-1]):
        canvas = make_canvas()
        canvas.paint([(1, [sheet(points, (9, 9, 9))])])
        assert (owners(canvas) == 1).sum() > 1500
    for turn, seen in ((0, True), (180, False)):
        canvas = make_canvas()
        front = box((1, 1, .1), (9, 9, 9), (0, 0, 0))[0]
        canvas.paint([(1, moved([front], (0, 0, -5), turn_y(turn)))])
        assert (owners(canvas) == 1).any() == seen


def test_light_from_above_is_brightest_on_top():
    canvas = make_canvas(Camera(SIZE, 100.0, 2.0, pitch=25), ambient=0.5)
    canvas.paint([(1, box((1, .6, 1), (200, 200, 200), (0, .3, -5)))])
    picture, numbers = canvas.picture()
    mine = np.flatnonzero(numbers[:, 40] // THING == 1)
    assert picture[mine[2], 40, 0] > picture[mine[-3], 40, 0] + 50


def test_shadows_darken_the_ground_below():
    canvas = make_canvas(Camera(SIZE, 100.0, 2.0, pitch=25))
    before = canvas.picture()[0].copy()
    canvas.cast_shadows(box((1, .1, 1), (9, 9, 9), (0, .8, -5)))
    after, numbers = canvas.picture()
    spot, _ = canvas.camera.project(np.array([[0, 0, -5.0]]))
    column, row = spot[0].astype(int)
    assert after[row, column, 0] < 0.6 * before[row, column, 0]
    assert (after[:5] == before[:5]).all() and not numbers.any()


def test_a_pattern_stays_on_its_part():
    canvas = make_canvas()
    body = [blob([(0, 0, -5, .5)], (100, 100, 100), part=3)]
    other = [blob([(.8, 0, -5, .5)], (100, 100, 100), part=4)]
    canvas.paint([(1, body), (2, other)])
    before = canvas.picture()[0]
    ends = np.array([[0, .5, -5], [0, -.5, -5]])
    canvas.overlay(THING + 3, np.ones((8, 8), np.float32), np.array([0, 0, 0.0]), ends)
    after, numbers = canvas.picture()
    assert after[numbers == THING + 3].max(axis=1).mean() < 10
    np.testing.assert_array_equal(after[30, 60], before[30, 60])


def test_a_garment_has_its_part_to_itself_but_the_pixel_belongs_to_the_part():
    canvas = make_canvas()
    # A quarter of the first pixel each: the part and what is worn on it are two, and win.
    canvas.paint([(1, [blob([(0, 0, -5, .1)], (9, 9, 9), part=part)]) for part in (
        2, GARMENT + 2)] + [(2, box((.1, .1, .1), (9, 9, 9), (1, 0, -5)))])
    surface = {owner: number for number, owner in enumerate(canvas.owners.tolist())}
    body, worn = surface[THING + 2], surface[THING + GARMENT + 2]
    canvas.surfaces[:2, :2] = [[0, worn], [body, surface[2 * THING]]]
    assert canvas.picture()[1][0, 0] == THING + GARMENT + 2
    canvas.surfaces[:2, :2] = [[0, body], [worn, surface[2 * THING]]]
    assert canvas.seen()[0, 0] == body
