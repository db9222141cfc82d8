# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Markers: nothing that RViz refuses, and all that is there."""

import math

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Vector3
from hypothesis import given, settings, strategies
from mcn_ros_msgs.msg import HumanPose3D, HumanPose3DArray, Keypoint3D
import numpy as np
import pytest
from std_msgs.msg import Header
from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose
from visualization_msgs.msg import Marker

from mcn_ros.ros.node.markers import markers_msg, NAMESPACES, OPTICAL_UP, UP
from mcn_ros.vocabulary import COCO_SKELETON

HEADER = Header(stamp=Time(sec=3, nanosec=7), frame_id='base_link')
CLASSES = 'person', 'chair'
STATES = [Keypoint3D.NOT_ESTIMATED, Keypoint3D.LOW_CONFIDENCE, Keypoint3D.VISIBLE,
          Keypoint3D.NO_DEPTH]


def detection(class_id='0', identity='', center=(1.0, 2.0, 3.0), size=(0.5, 1.7, 0.3)):
    msg = Detection3D(header=HEADER, id=identity, results=[ObjectHypothesisWithPose()])
    msg.results[0].hypothesis.class_id = class_id
    msg.bbox.center.position = Point(**dict(zip('xyz', center)))
    msg.bbox.size = Vector3(**dict(zip('xyz', size)))
    return msg


def person(states, identity=''):
    keypoints = []
    for index, state in enumerate(states):
        known = state in (Keypoint3D.VISIBLE, Keypoint3D.LOW_CONFIDENCE)
        place = float(index) if known else math.nan
        keypoints.append(Keypoint3D(position=Point(x=place, y=place, z=place), state=state))
    return HumanPose3D(id=identity, keypoints=keypoints)


def draw(detections=(), people=(), up=OPTICAL_UP):
    return markers_msg(Detection3DArray(header=HEADER, detections=list(detections)),
                       HumanPose3DArray(header=HEADER, poses=list(people)), CLASSES,
                       COCO_SKELETON, [2.345] * len(detections), up).markers


def numbers(marker):
    pose, scale, color = marker.pose, marker.scale, marker.color
    yield from (pose.position.x, pose.position.y, pose.position.z, scale.x, scale.y, scale.z,
                pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w,
                color.r, color.g, color.b, color.a)
    for point in marker.points:
        yield from (point.x, point.y, point.z)


visible = strategies.lists(strategies.sampled_from(STATES), min_size=17, max_size=17)


@settings(max_examples=30)
@given(people=strategies.lists(visible, max_size=4), num=strategies.integers(0, 4))
def test_rviz_refuses_nothing(people, num):
    markers = draw([detection() for _ in range(num)], map(person, people))
    for marker in markers:
        assert marker.header == HEADER and not marker.frame_locked
        assert np.isfinite(list(numbers(marker))).all()
        assert marker.pose.orientation.w == 1 and marker.lifetime.sec == 1
        if marker.action == Marker.ADD and marker.type == Marker.LINE_LIST:
            assert len(marker.points) > 0 and len(marker.points) % 2 == 0 and marker.scale.x > 0
    keys = [(marker.ns, marker.id) for marker in markers]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize('detections, people', [
    ([], []), ([detection()], [person([Keypoint3D.VISIBLE] * 17)])])
def test_what_was_there_is_deleted_first(detections, people):
    markers = draw(detections, people)
    assert [(marker.action, marker.ns) for marker in markers[:3]] == [
        (Marker.DELETEALL, name) for name in NAMESPACES]
    assert all(marker.action == Marker.ADD for marker in markers[3:])
    assert len(markers) == 3 + 2 * len(detections) + len(people)


@pytest.mark.parametrize('up, place', [(OPTICAL_UP, (1, 2 - 0.95, 3)), (UP, (1, 2, 3 + 0.25))])
def test_an_object_is_a_box_with_a_label_above_it(up, place):
    box, label = draw([detection(identity='t7')], up=up)[3:]
    assert (box.ns, box.id, box.type) == ('boxes', 0, Marker.CUBE)
    assert (box.scale.x, box.scale.y, box.scale.z) == (0.5, 1.7, 0.3)
    assert box.pose.position == Point(x=1.0, y=2.0, z=3.0)
    assert box.color.a == pytest.approx(0.3)
    assert (label.ns, label.id, label.type) == ('labels', 0, Marker.TEXT_VIEW_FACING)
    assert label.text == 'person t7 2.3 m'
    position = label.pose.position
    assert (position.x, position.y, position.z) == pytest.approx(place)


def test_a_limb_has_two_visible_ends():
    states = [Keypoint3D.VISIBLE] * 17
    states[9] = Keypoint3D.NO_DEPTH
    states[10] = Keypoint3D.LOW_CONFIDENCE
    skeleton, = draw(people=[person(states)])[3:]
    drawn = {(int(one.x), int(other.x)) for one, other in
             zip(skeleton.points[::2], skeleton.points[1::2])}
    assert drawn == {edge for edge in COCO_SKELETON.edges if not {9, 10} & set(edge)}


def test_nobody_visible_has_no_lines():
    assert len(draw(people=[person([Keypoint3D.NO_DEPTH] * 17)])) == 3


def test_colours_are_those_of_ids_where_there_are_some():
    def color(**fields):
        box = draw([detection(**fields)])[3]
        return box.color.r, box.color.g, box.color.b

    assert color(identity='t1') == color(identity='t1', class_id='chair')
    assert color(identity='front_1') != color(identity='front_2')
    assert color(class_id='0') == color(class_id='person') != color(class_id='1')
