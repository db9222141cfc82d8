# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Joints in space: on the person, or nowhere."""

import numpy as np
import pytest

from mcn_ros.benchmark.depth_scene import CAMERA, mask, scene, surface
from mcn_ros.spatial.joints import lift_joints
from mcn_ros.spatial.lift import lift
from mcn_ros.spatial.subjects import Subjects
from mcn_ros.spatial.surface import surface_of_cloud
from mcn_ros.structures import Poses
from mcn_ros.vocabulary import COCO_SKELETON

# From optical axes to x forward, y left, z up.
BODY = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0.0]])
PERSON = (100, 40, 160, 200)
NOSE, SHOULDER, ELBOW, WRIST, HIP, KNEE = 0, 5, 7, 9, 11, 13


def person(joints, scores=None, box=PERSON):
    """Return one person with joints {index: (x, y)}, the others absent."""
    keypoints = np.full((1, 17, 2), np.nan, np.float32)
    keypoint_scores = np.zeros((1, 17), np.float32)
    for index, place in joints.items():
        keypoints[0, index] = place
        keypoint_scores[0, index] = (scores or {}).get(index, 0.9)
    return Poses(np.array([box], np.float32), np.ones(1, np.float32), keypoints, keypoint_scores)


def find(depth, poses, labels=None, transform=None, seen=None):
    masked = None if labels is None else mask(labels)
    seen = surface(depth) if seen is None else seen
    people = lift(seen, Subjects.of_people(poses, 0.5, masked), masked, transform)
    assert people.rows.tolist() == [0]
    return lift_joints(seen, poses, people, masked, transform)


def test_a_joint_is_on_the_surface_of_its_person():
    depth, labels = scene([(*PERSON, 2.0)])
    joints = find(depth, person({NOSE: (130.25, 50.5), HIP: (120, 120)}), labels)
    for index, place in [(NOSE, (130.25, 50.5)), (HIP, (120, 120))]:
        np.testing.assert_allclose(joints.positions[0, index],
                                   2.0 * CAMERA.rays(np.array(place)), atol=1e-6)
        assert joints.sigmas[0, index] == pytest.approx(0.013, rel=0.1)
    others = [index for index in range(17) if index not in (NOSE, HIP)]
    assert np.isnan(joints.positions[0, others]).all() and np.isnan(joints.sigmas[0, others]).all()


@pytest.mark.parametrize('masked', [True, False])
def test_a_wrist_before_the_wall_is_no_point_of_the_wall(masked):
    depth, labels = scene([(*PERSON, 2.0)])
    joints = find(depth, person({WRIST: (170, 120)}), labels if masked else None)
    assert np.isnan(joints.positions[0, WRIST]).all()


def test_what_is_near_but_of_something_else_is_left_out_by_the_mask():
    depth, labels = scene([(*PERSON, 2.0)], wall=2.3)
    poses = person({WRIST: (170, 120)})
    assert np.isnan(find(depth, poses, labels).positions[0, WRIST]).all()
    assert not np.isnan(find(depth, poses).positions[0, WRIST]).any()


def test_a_hole_at_the_joint_is_filled_from_around_it():
    depth, labels = scene([(*PERSON, 2.0)])
    depth[120, 120] = np.nan
    assert find(depth, person({HIP: (120.5, 120.5)}), labels).positions[0, HIP, 2] == 2.0
    depth[110:131, 110:131] = np.nan
    assert np.isnan(find(depth, person({HIP: (120.5, 120.5)}), labels).positions[0, HIP]).all()


@pytest.mark.parametrize('place', [(-0.5, 120), (130, 240.5), (320, 100), (5000, -5000)])
def test_a_joint_outside_of_the_image_is_not_moved_to_its_border(place):
    depth, labels = scene([(0, 0, 320, 240, 2.0)])
    joints = find(depth, person({WRIST: place}, box=(0, 0, 320, 240)), labels)
    assert np.isnan(joints.positions[0, WRIST]).all()


def test_a_bone_that_is_too_long_loses_its_less_certain_end():
    depth, _ = scene([(0, 0, 320, 240, 2.0)])
    places = {SHOULDER: (100, 60), ELBOW: (100, 90), WRIST: (290, 90)}  # 1.3 m of forearm
    poses = person(places, {WRIST: 0.6, ELBOW: 0.8}, box=(0, 0, 320, 240))
    positions = find(depth, poses).positions[0]
    assert np.isnan(positions[WRIST]).all() and not np.isnan(positions[[SHOULDER, ELBOW]]).any()


def test_joints_in_another_frame_and_of_a_cloud():
    depth, labels = scene([(*PERSON, 2.0)], noise=0.01)
    poses = person({NOSE: (130.25, 50.5), HIP: (120, 120), KNEE: (125, 160)})
    plain = find(depth, poses, labels)
    turned = find(depth, poses, labels, np.hstack([BODY, [[1], [2], [3]]]))
    np.testing.assert_allclose(turned.positions, plain.positions @ BODY.T + [1, 2, 3], atol=1e-9)
    np.testing.assert_allclose(turned.sigmas, plain.sigmas)
    in_body = surface(depth).all_points() @ BODY.T.astype(np.float32)
    cloud = find(depth, poses, labels, seen=surface_of_cloud(in_body))
    np.testing.assert_allclose(cloud.positions, plain.positions @ BODY.T, atol=1e-4)
    np.testing.assert_allclose(cloud.sigmas, plain.sigmas, rtol=1e-3)


def test_nobody_has_no_joints():
    depth, labels = scene([])
    poses = person({}).nothing()
    people = lift(surface(depth), Subjects.of_people(poses, 0.5))
    assert lift_joints(surface(depth), poses, people).positions.shape == (0, 17, 3)


def test_the_skeleton_is_the_one_of_these_tests():
    assert [COCO_SKELETON.keypoint_names[index] for index in (SHOULDER, ELBOW, WRIST, HIP)] == [
        'left_shoulder', 'left_elbow', 'left_wrist', 'left_hip']
