# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages of objects and people in space, built by hand: no node and no rclpy.init."""

import math

from builtin_interfaces.msg import Time
from mcn_ros_msgs.msg import Keypoint2D, Keypoint3D
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from mcn_ros.benchmark.depth_scene import CLASSES, mask, objects, scene, surface
from mcn_ros.ros.node.conversions import detections_to_msg, poses_to_msg
from mcn_ros.ros.node.spatial_messages import (
    detections_3d_to_msg, poses_3d_to_msg, semantic_cloud_msg)
from mcn_ros.spatial.depth import points_from_cloud
from mcn_ros.spatial.joints import lift_joints
from mcn_ros.spatial.lift import lift
from mcn_ros.spatial.subjects import Subjects
from mcn_ros.structures import Poses

HEADER = Header(stamp=Time(sec=3, nanosec=7), frame_id='camera_optical')
LOST, KNOWN = (200, 40, 260, 200), (100, 40, 160, 200)


@pytest.fixture(scope='module')
def seen():
    """Return the surface and the mask of two people, one of them without depth."""
    depth, labels = scene([(*KNOWN, 2.0), (*LOST, 3.0)])
    depth[:, 190:] = np.nan
    return surface(depth), mask(labels)


@pytest.fixture(scope='module')
def people():
    """Return the two: the known one has shoulders and a wrist before the wall."""
    keypoints = np.full((2, 17, 2), np.nan, np.float32)
    keypoints[1, [5, 6, 9]] = (115, 80), (145, 80), (170, 120)
    scores = np.zeros((2, 17), np.float32)
    scores[1, [5, 6, 9]] = 0.9, 0.2, 0.8
    return Poses(np.array([LOST, KNOWN], np.float32), np.array([0.9, 0.8], np.float32), keypoints,
                 scores)


def over_the_wire(msg):
    return deserialize_message(serialize_message(msg), type(msg))


def find(seen, found):
    """Return the message in the image, the objects in space and their message."""
    image = detections_to_msg(found, HEADER, CLASSES)
    for number, detection in enumerate(image.detections):
        detection.id = f't{number}'
    places = lift(seen[0], Subjects.of_objects(found, CLASSES, seen[1]), seen[1])
    return image, places, over_the_wire(detections_3d_to_msg(image, places, HEADER))


def test_a_detection_is_that_of_the_image_with_a_place(seen):
    image, places, msg = find(seen, objects(LOST, KNOWN))
    assert msg.header == HEADER
    detection, = msg.detections
    assert detection.header == HEADER and detection.id == 't1'
    assert detection.results[0].hypothesis == image.detections[1].results[0].hypothesis
    pose = detection.results[0].pose
    position = pose.pose.position
    np.testing.assert_allclose([position.x, position.y, position.z], places.positions[0])
    assert pose.pose.orientation.w == 1
    covariance = np.array(pose.covariance).reshape(6, 6)
    np.testing.assert_array_equal(covariance[:3, :3], places.covariances[0])
    np.testing.assert_array_equal(covariance[3:, 3:], np.eye(3) * math.pi ** 2)
    assert not covariance[:3, 3:].any() and not covariance[3:, :3].any()


def test_a_box_has_whole_edges_about_its_middle(seen):
    _, places, msg = find(seen, objects(KNOWN))
    box = msg.detections[0].bbox
    middle = np.array([box.center.position.x, box.center.position.y, box.center.position.z])
    size = np.array([box.size.x, box.size.y, box.size.z])
    np.testing.assert_allclose(middle - size / 2, places.low[0], atol=1e-12)
    np.testing.assert_allclose(middle + size / 2, places.high[0], atol=1e-12)
    assert box.center.orientation.w == 1 and size[1] > size[0] > size[2] > 0


def test_nothing_that_is_known_is_an_empty_array(seen):
    _, _, msg = find(seen, objects(LOST))
    assert (msg.header, msg.detections) == (HEADER, [])


def test_a_keypoint_says_what_is_known_of_it(seen, people):
    image = poses_to_msg(people, HEADER, 0.5)
    image.poses[1].id = 't5'
    places = lift(seen[0], Subjects.of_people(people, 0.5, seen[1]), seen[1])
    joints = lift_joints(seen[0], people, places, seen[1])
    msg = over_the_wire(poses_3d_to_msg(image, places, joints, HEADER))
    assert msg.header == HEADER
    person, = msg.poses
    assert (person.id, person.score) == ('t5', image.poses[1].score)
    assert len(person.keypoints) == 17
    for index, (flat, keypoint) in enumerate(zip(image.poses[1].keypoints, person.keypoints)):
        place = [keypoint.position.x, keypoint.position.y, keypoint.position.z]
        assert keypoint.score == flat.score
        known = keypoint.state in (Keypoint3D.VISIBLE, Keypoint3D.LOW_CONFIDENCE)
        assert np.isfinite(place).all() == np.isfinite(keypoint.sigma) == known
        expected = {5: Keypoint3D.VISIBLE, 6: Keypoint3D.LOW_CONFIDENCE, 9: Keypoint3D.NO_DEPTH}
        assert keypoint.state == expected.get(index, Keypoint3D.NOT_ESTIMATED)
    np.testing.assert_allclose(person.keypoints[5].position.z, 2.0, atol=1e-6)


def test_the_states_of_joints_in_space_extend_those_in_the_image():
    assert [Keypoint3D.NOT_ESTIMATED, Keypoint3D.LOW_CONFIDENCE, Keypoint3D.VISIBLE] == [
        Keypoint2D.NOT_ESTIMATED, Keypoint2D.LOW_CONFIDENCE, Keypoint2D.VISIBLE]
    assert Keypoint3D.NO_DEPTH == 3


def labels_of(msg):
    return np.ndarray((msg.height, msg.width), np.uint8, bytes(msg.data), 12,
                      (msg.row_step, msg.point_step))


def test_the_semantic_cloud_is_the_surface_with_labels(seen):
    msg = over_the_wire(semantic_cloud_msg(*seen, HEADER))
    assert (msg.header, msg.height, msg.width) == (HEADER, 240, 320)
    assert (msg.point_step, msg.row_step, msg.is_dense) == (16, 16 * 320, False)
    assert [(field.name, field.offset, field.datatype, field.count) for field in msg.fields] == [
        ('x', 0, 7, 1), ('y', 4, 7, 1), ('z', 8, 7, 1), ('label', 12, 2, 1)]
    np.testing.assert_array_equal(points_from_cloud(msg), seen[0].all_points())
    np.testing.assert_array_equal(labels_of(msg), seen[1].labels)


def test_the_semantic_cloud_of_some_classes(seen):
    msg = semantic_cloud_msg(*seen, HEADER, ['person', 'zebra'])
    known = np.isfinite(points_from_cloud(msg)[:, :, 0])
    np.testing.assert_array_equal(known, (seen[1].labels == 1) & ~np.isnan(seen[0].depth))
    np.testing.assert_array_equal(labels_of(msg), seen[1].labels)
    nothing = points_from_cloud(semantic_cloud_msg(*seen, HEADER, ['zebra']))
    assert np.isnan(nothing).all()
