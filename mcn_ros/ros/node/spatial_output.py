# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What is published for a camera in space: objects, people, markers and a semantic cloud.

All of it has the stamp of the image; the cloud has the frame of the depth, and so have the others
where no target frame is asked for. What is known in the image is
published before, whatever becomes of the depth; without depth nothing is published here, as an
empty array would say that nobody is there.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Mapping, Sequence

from builtin_interfaces.msg import Time as Stamp
from diagnostic_msgs.msg import DiagnosticStatus
from mcn_ros_msgs.msg import HumanPose3DArray
import numpy as np
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from mcn_ros.data.messages import time_ns
from mcn_ros.geometry import Size
from mcn_ros.ros.node.class_filter import points_classes
from mcn_ros.ros.node.depth_intake import DepthIntake
from mcn_ros.ros.node.depth_statistics import DepthStatistics, REFUSED
from mcn_ros.ros.node.depth_surface import optical_up, SurfaceReader
from mcn_ros.ros.node.diagnostics import one_line, REPEAT_S
from mcn_ros.ros.node.markers import markers_msg, UP
from mcn_ros.ros.node.outputs import create_publisher, HeadOutput
from mcn_ros.ros.node.parameters import Parameters
from mcn_ros.ros.node.spatial_messages import (
    detections_3d_to_msg, poses_3d_to_msg, semantic_cloud_msg)
from mcn_ros.ros.node.transforms import TransformError, Transforms
from mcn_ros.spatial.scene import Scene
from mcn_ros.structures import ClassMap, Instances, Poses, Structure
from mcn_ros.vocabulary import COCO_SKELETON

_OBJECTS, _PEOPLE, _AREAS = 'objects', 'people', 'areas'
# What is published -> structure of the predictions that it is made of, its topic (by that of the
# predictions) and the type of the messages.
_KINDS = {_OBJECTS: (Instances, '{topic}_3d', 'vision_msgs/msg/Detection3DArray'),
          _PEOPLE: (Poses, '{topic}_3d', 'mcn_ros_msgs/msg/HumanPose3DArray'),
          _AREAS: (ClassMap, '{folder}/points', 'sensor_msgs/msg/PointCloud2')}
_MARKERS = 'markers', 'visualization_msgs/msg/MarkerArray'


@dataclass(frozen=True)
class View:
    """
    What is known in space of an image.

    :param header: of the results.
    :param frame: that of the depth.
    :param scene: what the depth camera sees with the image.
    :param ground: head -> where on the ground each of its objects is, see :meth:`Scene.ground`;
        {} where nobody has asked.
    """

    header: Header
    frame: str
    scene: Scene
    ground: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def up(self) -> Sequence[float]:
        """Return the direction that is up, in the frame of the header."""
        return optical_up(self.scene.surface) if self.scene.transform is None else UP


class SpatialOutput:
    """
    The results of one camera in space; of several heads of a kind, those of the first one.

    :param prefix: of the topics, '~/' or '~/<camera>/'.
    :param heads: those that run.
    :param intake: where depth comes from.
    :param reader: that decodes it.
    :param transforms: to the frame of the results, None for that of the depth.
    """

    def __init__(self, node: LifecycleNode, prefix: str, heads: Mapping[str, HeadOutput],
                 intake: DepthIntake, reader: SurfaceReader, transforms: Transforms | None):
        self._node, self._heads = node, heads
        self.intake, self._reader, self._transforms = intake, reader, transforms
        self._last_ns = 0  # stamp of the last image that was brought to another frame
        self.statistics = DepthStatistics()
        # What is published -> the head that it is of.
        self._names = {kind: name for kind, (structure, *_) in _KINDS.items()
                       for name in reversed(heads) if heads[name].task.prediction is structure}
        self._publishers = {}
        for kind, name in self._names.items():
            _, pattern, msgtype = _KINDS[kind]
            topic = heads[name].topic
            self._publishers[kind] = create_publisher(node, prefix + pattern.format(
                topic=topic, folder=topic.rpartition('/')[0]), msgtype)
        self._markers = create_publisher(node, prefix + _MARKERS[0], _MARKERS[1])

    @property
    def _wanted_kinds(self) -> set[str]:
        """Return what somebody subscribes to; markers show all of it."""
        markers = self._markers.get_subscription_count() > 0
        return {kind for kind, publisher in self._publishers.items()
                if markers or publisher.get_subscription_count()}

    @property
    def wanted(self) -> set[str]:
        """Return the heads whose results are needed; none where nobody subscribes."""
        kinds = self._wanted_kinds
        # What the pixels are tells which of them are of an object.
        return {name for kind, name in self._names.items()
                if kind in kinds or kinds and kind is _AREAS}

    def follow(self) -> None:
        """Subscribe to depth while somebody wants results; called again and again."""
        if self.wanted:
            self.intake.follow()
        else:
            self.intake.close()

    def report(self, name: str) -> tuple[DiagnosticStatus, str]:
        """Return a status with this name, and why no depth comes, '' where it does."""
        silence = self.intake.describe_silence()
        return self.statistics.report(
            name, self.intake.topic, silence, self.intake.is_open), silence

    def glance(self, size: Size, results: Mapping[str, Structure], image: Header,
               parameters: Parameters) -> View | None:
        """
        Find about where the objects of an image are, if all that it takes is there.

        Nothing is waited for, and what is not needed for ids is left to :meth:`publish`: results
        in the image are published after this. What is wrong :meth:`publish` tells, which looks
        again.

        :param size: of the image.
        :param results: head -> what is to be published of it, in pixels of the image.
        :param image: its header.
        """
        if not self.intake.is_open:
            return None
        try:
            if not self.intake.has(time_ns(image.stamp), parameters.depth_slop):
                return None
            view = self._look(size, results, image, parameters, 0.0, 0.0)
            return view and replace(view, ground={
                name: view.scene.ground(results[name], self._heads[name].task,
                                        parameters.of(name).keypoint_threshold)
                for name in self._object_heads(results)})
        # Whatever the middleware and a wrong message may raise: ids go by what is in the image.
        except Exception:
            return None

    def publish(self, size: Size, results: Mapping[str, Structure], image: Header,
                parameters: Parameters, deadline: float, view: View | None) -> None:
        """
        Publish the results of an image in space, if its depth is there or comes in time.

        :param results: as for :meth:`glance`, but for the ids.
        :param deadline: of the steady clock, until which the depth may come.
        :param view: what :meth:`glance` has returned.
        """
        if not self.intake.is_open:
            return
        try:
            if view is None:
                view = self._look(size, results, image, parameters, deadline,
                                  parameters.tf_timeout)
            if view is None:
                self.statistics.add_missing(self.intake.nearest_s)
            else:
                self.statistics.add_found(self._publish(view, results, parameters))
        except TransformError as error:
            self._refuse(error, error.cause)
        # Whatever the middleware and a wrong message may raise: only these results are lost.
        except Exception as error:
            if self._node.context.ok():  # else the process is being ended, so publishing fails
                self._refuse(error)

    def _look(self, size: Size, results: Mapping[str, Structure], image: Header,
              parameters: Parameters, deadline: float, tf_timeout_s: float) -> View | None:
        """Return what is known in space of an image, None without depth."""
        msg = self.intake.find(time_ns(image.stamp), parameters.depth_slop, deadline)
        if msg is None:
            return None
        surface = self._reader.read(msg, self.intake.info(), image, parameters.max_pixels)
        frame = msg.header.frame_id
        target, transform = self._transform(frame, image.stamp, tf_timeout_s)
        of_pixels = self._names.get(_AREAS)
        areas = ((results[of_pixels], self._heads[of_pixels].task.classes)
                 if of_pixels in results else None)
        scene = Scene.of(surface, size, areas, transform, parameters.depth_noise)
        return View(Header(stamp=image.stamp, frame_id=target), frame, scene)

    def _object_heads(self, results: Mapping[str, Structure]) -> list[str]:
        """Return the heads whose objects somebody wants in space."""
        kinds = self._wanted_kinds - {_AREAS}
        return [name for kind, name in self._names.items() if kind in kinds and name in results]

    def _refuse(self, error: Exception, cause: str = REFUSED) -> None:
        self.statistics.add_refused(one_line(error), cause)
        self._node.get_logger().warning(
            f'{self.intake.topic}: no results in space: {one_line(error)}',
            throttle_duration_sec=REPEAT_S)

    def _transform(self, frame: str, stamp: Stamp,
                   timeout_s: float) -> tuple[str, np.ndarray | None]:
        """Return the frame of the results, and the transform to it if it is another one."""
        if self._transforms is None or frame == self._transforms.target:
            return frame, None
        if time_ns(stamp) < self._last_ns:  # a bag starts again
            self._transforms.forget()
        self._last_ns = time_ns(stamp)
        return self._transforms.target, self._transforms.find(frame, stamp, timeout_s)

    def _publish(self, view: View, results: Mapping[str, Structure],
                 parameters: Parameters) -> int:
        """Publish what is subscribed to; return how many objects have no place."""
        draw = self._markers.get_subscription_count() > 0
        detections, distances = Detection3DArray(header=view.header), np.zeros(0)
        people = HumanPose3DArray(header=view.header)
        found = {name: view.scene.lift(results[name], self._heads[name].task,
                                       parameters.of(name).keypoint_threshold)
                 for name in self._object_heads(results)}
        name = self._names.get(_OBJECTS)
        if name in found:
            detections = detections_3d_to_msg(
                self._in_image(name, view, results, parameters), found[name], view.header)
            distances = view.scene.distances(found[name])
            self._publishers[_OBJECTS].publish(detections)
        name = self._names.get(_PEOPLE)
        if name in found:
            people = poses_3d_to_msg(
                self._in_image(name, view, results, parameters), found[name],
                view.scene.lift_joints(results[name], found[name]), view.header)
            self._publishers[_PEOPLE].publish(people)
        if (_AREAS in self._publishers and view.scene.mask is not None
                and self._publishers[_AREAS].get_subscription_count()):
            self._publish_cloud(view, parameters)
        if draw:
            self._markers.publish(markers_msg(
                detections, people, self._task(_OBJECTS, 'classes', ()),
                self._task(_PEOPLE, 'joints', COCO_SKELETON), distances.tolist(), view.up))
        return sum(len(results[name]) - len(places) for name, places in found.items())

    def _in_image(self, name: str, view: View, results: Mapping[str, Structure],
                  parameters: Parameters) -> Any:
        """Return the message of a head with all its objects in the image."""
        return self._heads[name].message(results[name], view.header, parameters.of(name))

    def _publish_cloud(self, view: View, parameters: Parameters) -> None:
        mask = view.scene.mask
        self._publishers[_AREAS].publish(semantic_cloud_msg(
            view.scene.surface, mask, Header(stamp=view.header.stamp, frame_id=view.frame),
            points_classes(parameters.points_classes, mask.classes)))

    def _task(self, kind: str, name: str, default: Any) -> Any:
        """Return what the task of a kind says, a default where there is no such head."""
        return (getattr(self._heads[self._names[kind]].task, name) if kind in self._names
                else default)

    def destroy(self) -> None:
        """Take the topics back."""
        self.intake.close()
        for publisher in [*self._publishers.values(), self._markers]:
            self._node.destroy_lifecycle_publisher(publisher)
