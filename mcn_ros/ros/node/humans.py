# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
People as REP 155 has them: the bodies that are tracked, and topics for each of them.

The messages are those of hri_msgs, which only who asks for them has to have.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Mapping

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from mcn_ros.data.messages import time_ns
from mcn_ros.geometry import Size
from mcn_ros.structures import Poses
from mcn_ros.tasks import Task

BODIES = '/humans/bodies'
# The joints of Skeleton2D, in its order. The neck is the middle between the shoulders.
_SHOULDERS = 'left_shoulder', 'right_shoulder'
_JOINTS = ('nose', 'neck', 'right_shoulder', 'right_elbow', 'right_wrist', 'left_shoulder',
           'left_elbow', 'left_wrist', 'right_hip', 'right_knee', 'right_ankle', 'left_hip',
           'left_knee', 'left_ankle', 'left_eye', 'right_eye', 'left_ear', 'right_ear')


@dataclass
class Body:
    """
    A person who is tracked.

    :param camera: that sees the person.
    :param seen_ns: when that was last.
    :param roi: publisher of the box.
    :param skeleton: publisher of the joints.
    """

    camera: str
    seen_ns: int
    roi: Publisher
    skeleton: Publisher


class Humans:
    """
    The bodies that all cameras of a node see.

    :param node: that publishes, while it is active.
    :param tasks: task name -> task, of the heads that run.
    :ivar head: whose people these are.
    :raises ValueError: where hri_msgs is not installed, and if no head finds such people.
    """

    def __init__(self, node: Node, tasks: Mapping[str, Task]):
        try:
            self._messages = import_module('hri_msgs.msg')
        except ImportError as error:
            raise ValueError(f'humans: needs hri_msgs, which is not installed: {error} '
                             '(apt install ros-$ROS_DISTRO-hri-msgs)') from error
        wanted = set(_JOINTS) - {'neck'}
        self.head = next((
            name for name, task in tasks.items() if 'keypoints' in task.prediction.ROWS
            and wanted <= set(task.joints.keypoint_names)), '')
        if not self.head:
            raise ValueError(f'humans: none of the heads {", ".join(tasks)} finds people with '
                             f'the joints {", ".join(sorted(wanted))}')
        self._node = node
        self._bodies: dict[str, Body] = {}
        self._tracked = self._create('tracked', 'IdsList')

    def _create(self, topic: str, kind: str) -> Publisher:
        return self._node.create_publisher(
            getattr(self._messages, kind), f'{BODIES}/{topic}', QoSProfile(depth=10))

    def publish(self, camera: str, people: Poses, size: Size, header: Header,
                lost_s: float) -> None:
        """
        Publish what a camera sees.

        :param people: in pixels of its image; those without an id are no bodies yet.
        :param size: of the image.
        :param header: of the image.
        :param lost_s: seconds after which a body that is not seen is gone.
        """
        now = time_ns(header.stamp)
        for identity in [identity for identity, body in self._bodies.items()
                         if body.camera == camera and not 0 <= now - body.seen_ns <= lost_s * 1e9]:
            self._end(identity)
        places = people.keypoints / [size[1], size[0]]
        boxes = (people.boxes / [size[1], size[0], size[1], size[0]]).clip(0, 1)
        for row, identity in enumerate([] if people.ids is None else people.ids.tolist()):
            if not identity:
                continue
            body = self._body(identity, camera)
            body.seen_ns = now
            xmin, ymin, xmax, ymax = boxes[row].tolist()
            body.roi.publish(self._messages.NormalizedRegionOfInterest2D(
                header=header, xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax,
                c=float(people.scores[row])))
            points = openpose(places[row], people.keypoint_scores[row],
                              people.skeleton.keypoint_names)
            body.skeleton.publish(self._messages.Skeleton2D(header=header, skeleton=[
                self._messages.NormalizedPointOfInterest2D(x=x, y=y, c=c)
                for x, y, c in points.tolist()]))
        self._tracked.publish(self._messages.IdsList(header=header, ids=list(self._bodies)))

    def _body(self, identity: str, camera: str) -> Body:
        if identity not in self._bodies:
            self._bodies[identity] = Body(
                camera, 0, self._create(f'{identity}/roi', 'NormalizedRegionOfInterest2D'),
                self._create(f'{identity}/skeleton2d', 'Skeleton2D'))
        return self._bodies[identity]

    def _end(self, identity: str) -> None:
        body = self._bodies.pop(identity)
        for publisher in (body.roi, body.skeleton):
            self._node.destroy_publisher(publisher)

    def forget(self) -> None:
        """End all bodies, and tell so."""
        for identity in list(self._bodies):
            self._end(identity)
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._tracked.publish(self._messages.IdsList(header=header))

    def destroy(self) -> None:
        """Take the topics back."""
        for identity in list(self._bodies):
            self._end(identity)
        self._node.destroy_publisher(self._tracked)


def openpose(places: np.ndarray, scores: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """
    Return the 18 joints of Skeleton2D.

    :param places: (J, 2) xy as shares of the image.
    :param scores: (J,) in 0..1.
    :param names: of the joints.
    :return: (18, 3) x, y and score; zeros where a joint is absent or outside of the image.
    """
    known = {name: (*place, score) for name, place, score in zip(names, places, scores)}
    shoulders = np.array([known[name] for name in _SHOULDERS])
    known['neck'] = (*shoulders[:, :2].mean(axis=0), shoulders[:, 2].min())
    points = np.array([known[name] for name in _JOINTS], float)
    inside = ((points[:, :2] >= 0) & (points[:, :2] <= 1)).all(axis=1)  # False for NaN
    return np.where(inside[:, None], points, 0.0)
