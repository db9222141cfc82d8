# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects in space: their distance in spite of what is before and behind, their box, how sure."""

import math

import numpy as np
import pytest

from mcn_ros.benchmark.depth_scene import CAMERA, CLASSES, mask, objects, scene, surface
from mcn_ros.spatial.camera_model import CameraModel
from mcn_ros.spatial.lift import lift, locate, NOISE
from mcn_ros.spatial.subjects import Subjects
from mcn_ros.spatial.surface import Surface, surface_of_cloud

# From optical axes to x forward, y left, z up.
BODY = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0.0]])
PERSON = (100, 40, 160, 200)


def find(depth, boxes, labels=None, classes=None, transform=None):
    masked = None if labels is None else mask(labels)
    subjects = Subjects.of_objects(objects(*boxes, classes=classes), CLASSES, masked)
    return lift(surface(depth), subjects, masked, transform)


def test_the_place_of_a_person_before_a_wall():
    depth, labels = scene([(*PERSON, 2.0)])
    found = find(depth, [(95, 30, 170, 205)], labels)
    assert found.rows.tolist() == [0] and found.labels.tolist() == [1]
    middle = 2.0 * CAMERA.rays(np.array([130, 120]))
    np.testing.assert_allclose(found.positions[0], middle, atol=0.01)
    # All but two hundredths on each side, less the cells at the edge of the mask.
    width, height, thickness = found.high[0] - found.low[0]
    assert 0.85 < width / (2.0 * 60 / CAMERA.fx) < 1
    assert 0.85 < height / (2.0 * 160 / CAMERA.fy) < 1
    assert thickness == pytest.approx(0.02)  # it is flat, and a box is not


def test_without_a_mask_the_middle_of_the_box_counts():
    depth, labels = scene([(*PERSON, 2.0)])
    found = find(depth, [(80, 20, 180, 220)])
    assert found.labels.tolist() == [0]
    assert found.depths[0] == pytest.approx(2.0)
    chair = find(depth, [(80, 20, 180, 220)], labels, classes=[1])  # no pixel is of this class
    assert chair.labels.tolist() == [0] and chair.depths[0] == pytest.approx(2.0)


@pytest.mark.parametrize('masked', [True, False])
def test_two_people_whose_boxes_overlap(masked):
    near, far = (60, 20, 160, 220), (120, 60, 190, 180)
    depth, labels = scene([(*near, 2.0), (*far, 4.0)], noise=0.02)
    found = find(depth, [far, near], labels if masked else None)
    np.testing.assert_allclose(found.depths, [4.0, 2.0], rtol=0.01)
    # Nor does the near one get what is seen of the far one, or the other way round.
    assert found.low[0, 2] > 3.8 and found.high[1, 2] < 2.2


@pytest.mark.parametrize('masked', [True, False])
def test_two_people_who_are_nearly_at_one_distance(masked):
    near, far = (60, 20, 160, 220), (120, 60, 190, 180)  # most of the far box is of the near one
    depth, labels = scene([(*near, 2.0), (*far, 2.45)], noise=0.02)
    found = find(depth, [near, far], labels if masked else None)
    np.testing.assert_allclose(found.depths, [2.0, 2.45], rtol=0.01)
    assert found.high[0, 2] < 2.2 < found.low[1, 2]


def test_a_person_who_is_mostly_hidden_is_not_the_one_before():
    near, far = (60, 20, 160, 220), (90, 60, 190, 180)  # 7 tenths of the far box are the near one
    depth, labels = scene([(*near, 2.0), (*far, 4.0)])
    np.testing.assert_allclose(find(depth, [near, far], labels).depths, [2.0, 4.0], rtol=0.01)


@pytest.mark.parametrize('order', [1, -1])
def test_who_looks_out_from_behind_somebody_has_a_depth_of_their_own(order):
    """All of the far box is in that of the near one, and two thirds of it are the near one."""
    body, arm, far = (60, 40, 110, 220), (60, 20, 160, 40), (80, 25, 140, 160)
    depth, labels = scene([(*body, 2.0), (*arm, 2.0), (*far, 4.0)])
    boxes = [(60, 20, 160, 220), far][::order]
    np.testing.assert_allclose(find(depth, boxes, labels).depths, [2.0, 4.0][::order], rtol=0.01)


def test_two_in_one_box_at_one_distance_have_that():
    depth, labels = scene([(60, 20, 160, 220, 3.0)], noise=0.02)
    boxes = [(60, 20, 160, 220), (80, 60, 140, 180)]
    np.testing.assert_allclose(find(depth, boxes, labels).depths, [3.0, 3.0], rtol=0.01)


def test_shoulders_and_hips_say_where_a_person_is():
    depth, labels = scene([(*PERSON, 2.0)], wall=3.5)
    box = (60, 20, 300, 220)  # mostly wall
    people = Subjects.of_objects(objects(box), CLASSES)
    anchored = Subjects(people.boxes, people.classes, people.tolerances, people.labels,
                        np.array([[[115, 80], [145, 80], [np.nan, np.nan], [400, 0]]]))
    single = Subjects(people.boxes, people.classes, people.tolerances, people.labels,
                      np.array([[[115, 80], [np.nan, np.nan], [np.nan, np.nan], [400, 0]]]))
    seen = surface(depth)
    assert lift(seen, people).depths[0] == pytest.approx(3.5)
    assert lift(seen, single).depths[0] == pytest.approx(3.5)  # one place is not enough
    assert lift(seen, anchored).depths[0] == pytest.approx(2.0)


def test_objects_without_enough_depth_are_left_out():
    depth, labels = scene([(20, 40, 80, 200, 2.0), (100, 40, 160, 200, 2.0),
                           (200, 40, 260, 200, 2.0)])
    depth[:, 100:160] = np.nan
    depth[40:200, 200:260] = np.nan
    depth[100:104, 220:223] = 2.0  # 12 pixels
    boxes = [(20, 40, 80, 200), (100, 40, 160, 200), (200, 40, 260, 200), (400, 0, 500, 50),
             (np.nan, 0, 5, 5), (30, 50, 30, 60)]
    assert find(depth, boxes, labels).rows.tolist() == [0]
    found = find(depth, [])
    assert len(found) == 0 and found.positions.shape == (0, 3)
    assert found.covariances.shape == (0, 3, 3)


@pytest.mark.parametrize('share, known', [(0.06, False), (0.2, True)])
def test_a_tenth_of_the_pixels_have_to_be_of_the_object(share, known):
    rng = np.random.default_rng(0)
    depth, labels = scene([(*PERSON, 2.0)])
    depth[rng.random(depth.shape) >= share] = np.nan
    assert (len(find(depth, [PERSON], labels)) == 1) == known


def test_a_cloud_and_the_depth_it_was_made_of_give_the_same():
    depth, labels = scene([(*PERSON, 2.0), (200, 80, 230, 180, 4.0)], noise=0.02)
    masked = mask(labels)
    subjects = Subjects.of_objects(objects(PERSON, (200, 80, 230, 180)), CLASSES, masked)
    image = lift(surface(depth), subjects, masked)
    cloud = lift(surface_of_cloud(surface(depth).all_points()), subjects, masked)
    in_body = surface(depth).all_points() @ BODY.T.astype(np.float32)
    turned = lift(surface_of_cloud(in_body), subjects, masked)
    in_turned = lift(surface(depth), subjects, masked, np.hstack([BODY, np.zeros((3, 1))]))
    for one, other in [(image, cloud), (in_turned, turned)]:
        assert one.rows.tolist() == other.rows.tolist() == [0, 1]
        for name in ('positions', 'low', 'high', 'covariances', 'depths'):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-4,
                                       atol=1e-5)


def turned(yaw, pitch, shift=(1.0, -2.0, 0.5)):
    yaw, pitch = math.radians(yaw), math.radians(pitch)
    about_z = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0],
                        [0, 0, 1]])
    about_y = np.array([[math.cos(pitch), 0, math.sin(pitch)], [0, 1, 0],
                        [-math.sin(pitch), 0, math.cos(pitch)]])
    return np.hstack([about_z @ about_y @ BODY, np.array(shift)[:, None]])


def test_the_box_in_a_turned_frame_encloses_the_object():
    rng = np.random.default_rng(0)
    depth, labels = scene([(*PERSON, 2.0)], noise=0.03)
    depth[40:200, 100:160] += rng.uniform(0, 0.25, (160, 60)).astype(np.float32)  # has a volume
    transform = turned(35, 20)
    found = find(depth, [PERSON], labels, transform=transform)
    rows, columns = np.mgrid[42:198, 102:158]
    points = surface(depth).points(rows.ravel(), columns.ravel())
    points = points @ transform[:, :3].T + transform[:, 3]
    inside = ((points >= found.low[0]) & (points <= found.high[0])).all(axis=1)
    assert inside.mean() >= 0.85
    # And not much more than the object: the corners that a turned box would have are left out.
    whole = points.max(axis=0) - points.min(axis=0)
    assert (found.high[0] - found.low[0] <= whole).all()
    np.testing.assert_allclose(found.positions[0], np.median(points, axis=0), atol=0.02)


def test_a_size_is_that_along_the_axes_of_the_frame():
    depth, labels = scene([(*PERSON, 2.0)])
    depth[40:200, 100:160] += np.linspace(0.3, 0, 60, dtype=np.float32)  # a slanted plane
    transform = turned(45, 0)
    plain, found = (find(depth, [PERSON], labels, transform=frame)
                    for frame in (None, transform))
    points = surface(depth).points(*np.mgrid[42:198, 102:158].reshape(2, -1))
    expected = np.subtract(*np.quantile(points @ transform[:, :3].T, [0.98, 0.02], axis=0))
    size = found.high[0] - found.low[0]
    np.testing.assert_allclose(size, expected, atol=0.025)  # every third pixel
    # What comes of a size that is turned as if it were a vector.
    assert np.abs(np.abs(transform[:, :3] @ (plain.high[0] - plain.low[0])) - size).max() > 0.1


def test_the_covariance_is_that_of_pixels_and_depth():
    small = (110, 95, 150, 145)  # all of whose pixels are looked at
    depth, labels = scene([(*small, 2.0)])
    found = find(depth, [small], labels)
    x, y, _ = CAMERA.rays(np.array([130, 120]))
    sigma = NOISE[0] + NOISE[1] * 4
    expected = (np.diag([(2 * 2.0 / CAMERA.fx) ** 2, (2 * 2.0 / CAMERA.fy) ** 2, 0])
                + sigma ** 2 * np.outer([x, y, 1], [x, y, 1]))
    np.testing.assert_allclose(found.covariances[0], expected, rtol=1e-3, atol=1e-9)
    transform = turned(35, 20)
    other = find(depth, [small], labels, transform=transform)
    turn = transform[:, :3]
    np.testing.assert_allclose(other.covariances[0], turn @ found.covariances[0] @ turn.T,
                               atol=1e-12)


def test_what_scatters_is_less_certain():
    sigmas = []
    for noise in (0.0, 0.1):
        depth, labels = scene([(*PERSON, 2.0)], noise=noise)
        sigmas.append(find(depth, [PERSON], labels).covariances[0, 2, 2])
    assert sigmas[1] > sigmas[0]


def test_the_order_of_objects_does_not_matter():
    boxes = [(60, 20, 160, 220), (120, 60, 190, 180), (200, 80, 230, 180)]
    depth, labels = scene([(*box, metres) for box, metres in zip(boxes, (2.0, 4.0, 3.0))],
                          noise=0.02)
    forward, backward = find(depth, boxes, labels), find(depth, boxes[::-1], labels)
    for name in ('positions', 'low', 'high', 'covariances', 'depths'):
        np.testing.assert_array_equal(getattr(forward, name), getattr(backward, name)[::-1])


def test_whatever_is_seen_the_result_is_finite_and_whole():
    rng = np.random.default_rng(0)
    for _ in range(100):
        height, width = rng.integers(1, 60, 2)
        depth = rng.uniform(0.2, 10, (height, width)).astype(np.float32)
        depth[rng.random(depth.shape) < rng.random()] = np.nan
        seen = Surface(depth, CameraModel((height, width), 40.0, 40.0, 20.0, 20.0))
        boxes = rng.uniform(-30, 90, (6, 4))
        boxes[:, 2:] += boxes[:, :2] * rng.integers(0, 2)
        boxes[rng.random(boxes.shape) < 0.05] = rng.choice([np.nan, np.inf, -np.inf, 1e30])
        masked = mask(rng.integers(0, 3, depth.shape).astype(np.uint8), 1)
        subjects = Subjects.of_objects(objects(*boxes, classes=rng.integers(0, 2, 6).tolist()),
                                       CLASSES, masked)
        found = lift(seen, subjects, masked, turned(*rng.uniform(-90, 90, 2)))
        assert (np.diff(found.rows) > 0).all() and (found.high >= found.low + 0.0199).all()
        for values in (found.positions, found.low, found.high, found.covariances, found.depths):
            assert np.isfinite(values).all()
        for covariance in found.covariances:
            assert np.linalg.eigvalsh(covariance).min() > 0


def test_a_glance_tells_nearly_where_objects_are():
    boxes = [PERSON, (150, 60, 200, 180), (220, 30, 300, 220), (2, 2, 20, 20)]
    depth, labels = scene([(*box, 2.0 + index) for index, box in enumerate(boxes[:3])], noise=0.02)
    depth[:30, :30] = np.nan
    masked = mask(labels)
    subjects = Subjects.of_objects(objects(*boxes), CLASSES, masked)
    for transform in (None, np.column_stack([BODY, [1.0, 2, 3]])):
        found = lift(surface(depth), subjects, masked, transform)
        places = locate(surface(depth), subjects, masked, transform)
        assert found.rows.tolist() == [0, 1, 2] and np.isnan(places[3]).all()
        np.testing.assert_allclose(places[:3], found.positions, atol=0.06)
