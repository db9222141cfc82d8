# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What RViz draws of objects and people in space: boxes, skeletons and labels.

One array shows one image: it deletes what the one before it has shown, in the same message, so
nothing flickers and nothing stays. RViz refuses a marker with a NaN anywhere, lines without points
and ids that occur twice.
"""

from collections.abc import Iterator
import re
from typing import Sequence

from geometry_msgs.msg import Point
from mcn_ros_msgs.msg import HumanPose3D, HumanPose3DArray, Keypoint3D
import numpy as np
from std_msgs.msg import Header
from vision_msgs.msg import Detection3D, Detection3DArray
from visualization_msgs.msg import Marker, MarkerArray

from mcn_ros.colors import class_colors
from mcn_ros.data.messages import class_index
from mcn_ros.vocabulary import Skeleton

BOXES, SKELETONS, LABELS = NAMESPACES = 'boxes', 'skeletons', 'labels'
OPTICAL_UP, UP = (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)  # in an optical frame, and in all others
_LIFETIME = 1  # seconds, for the case that no next array comes
_BOX_ALPHA = 0.3
_LINE, _TEXT, _GAP = 0.02, 0.15, 0.1  # metres: width, height, distance above a box
_TRACK_COLORS = 20


def markers_msg(detections: Detection3DArray, poses: HumanPose3DArray, class_names: Sequence[str],
                skeleton: Skeleton, distances: Sequence[float],
                up: tuple[float, float, float] = OPTICAL_UP) -> MarkerArray:
    """
    Draw objects and people.

    :param detections: their header is that of all markers.
    :param poses: people in the same frame.
    :param class_names: names of the classes of the detections.
    :param skeleton: of the people.
    :param distances: metres to each of the detections.
    :param up: the direction in the frame in which labels stand above boxes.
    """
    header = detections.header
    markers = [_marker(header, name, -1, action=Marker.DELETEALL) for name in NAMESPACES]
    for row, (detection, distance) in enumerate(zip(detections.detections, distances)):
        markers += _object(header, row, detection, class_names, distance, up)
    for row, person in enumerate(poses.poses):
        markers += _person(header, row, person, skeleton)
    return MarkerArray(markers=markers)


def _object(header: Header, row: int, detection: Detection3D, class_names: Sequence[str],
            distance: float, up: Sequence[float]) -> Iterator[Marker]:
    index = class_index(detection.results[0].hypothesis.class_id, class_names)
    color = _color(detection.id, index, len(class_names))
    box = _marker(header, BOXES, row, Marker.CUBE, color, _BOX_ALPHA)
    box.pose, box.scale = detection.bbox.center, detection.bbox.size
    yield box
    label = _marker(header, LABELS, row, Marker.TEXT_VIEW_FACING, color)
    center, size = detection.bbox.center.position, detection.bbox.size
    above = np.abs(up) @ [size.x, size.y, size.z] / 2 + _GAP
    x, y, z = (np.array([center.x, center.y, center.z]) + above * np.array(up)).tolist()
    label.pose.position = Point(x=x, y=y, z=z)
    label.scale.z = _TEXT
    label.text = ' '.join(filter(None, (class_names[index], detection.id, f'{distance:.1f} m')))
    yield label


def _person(header: Header, row: int, person: HumanPose3D, skeleton: Skeleton) -> Iterator[Marker]:
    joints = person.keypoints
    limbs = [(joints[one].position, joints[other].position) for one, other in skeleton.edges
             if joints[one].state == joints[other].state == Keypoint3D.VISIBLE]
    if limbs:
        marker = _marker(header, SKELETONS, row, Marker.LINE_LIST, _color(person.id, 0, 1))
        marker.scale.x = _LINE
        marker.points = [end for limb in limbs for end in limb]
        yield marker


def _marker(header: Header, namespace: str, number: int, kind: int = Marker.CUBE,
            color: Sequence[float] = (0.0, 0.0, 0.0), alpha: float = 1.0,
            action: int = Marker.ADD) -> Marker:
    marker = Marker(header=header, ns=namespace, id=number, type=kind, action=action)
    marker.pose.orientation.w = 1.0
    marker.lifetime.sec = _LIFETIME
    marker.color.r, marker.color.g, marker.color.b = color
    marker.color.a = alpha
    return marker


def _color(identity: str, index: int, num_classes: int) -> list[float]:
    """Return RGB of 0..1, by the number in an id that says who it is, else by the class."""
    number = re.search(r'\d+$', identity)
    colors = class_colors(_TRACK_COLORS if number else num_classes)
    return (colors[int(number[0]) % len(colors) if number else index] / 255).tolist()
