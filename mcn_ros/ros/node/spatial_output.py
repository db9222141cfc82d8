# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What is published for a camera in space: objects, people, markers and a semantic cloud.

All of it has the stamp of the image; the cloud has the frame of the depth, and so have the others
where no target frame is asked for. What is known in the image is
published before, whatever becomes of the depth; without depth nothing is published here, as an
empty array would say that nobody is there.
"""

from dataclasses import dataclass
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
from mcn_ros.spatial.joints import lift_joints
from mcn_ros.spatial.lift import lift, SpatialObjects
from mcn_ros.spatial.subjects import Mask, registration, Subjects
from mcn_ros.spatial.surface import Surface
from mcn_ros.structures import ClassMap, Instances, Poses, Structure
from mcn_ros.vocabulary import COCO_SKELETON

_OBJECTS, _PEOPLE, _AREAS = 'objects', 'people', 'areas'
# What is published -> structure of the predictions that it is made of, its topic (by that of the
# predictions) and the type of the messages.
_KINDS = {_OBJECTS: (Instances, '{topic}_3d', 'vision_msgs/msg/Detection3DArray'),
          _PEOPLE: (Poses, '{topic}_3d', 'mcn_ros_msgs/msg/HumanPose3DArray'),
          _AREAS: (ClassMap, '{folder}/points', 'sensor_msgs/msg/PointCloud2')}
_MARKERS = 'markers', 'visualization_msgs/msg/MarkerArray'
_CELLS = 128  # of the network, along the longer side of an image: a mask is uncertain within one


@dataclass(frozen=True)
class Scene:
    """
    What a depth camera sees, and the image that belongs to it.

    :param header: of the results.
    :param surface: in the frame of the depth.
    :param frame: that of the depth.
    :param transform: (3, 4), from there to the frame of the header, None for the same.
    :param mask: classes of its pixels, None where these are not known.
    :param affine: (2, 3), pixels of the image -> pixels of the surface.
    :param noise: of the depth, see :func:`mcn_ros.spatial.lift.lift`.
    """

    header: Header
    surface: Surface
    frame: str
    transform: np.ndarray | None
    mask: Mask | None
    affine: np.ndarray
    noise: tuple[float, float]

    def lift(self, subjects: Subjects) -> SpatialObjects:
        """Find objects of the image in space."""
        return lift(self.surface, subjects, self.mask, self.transform, self.noise)

    def distances(self, objects: SpatialObjects) -> np.ndarray:
        """Return the metres (N,) from the camera to objects."""
        camera = np.zeros(3) if self.transform is None else self.transform[:, 3]
        return np.linalg.norm(objects.positions - camera, axis=1)

    @property
    def up(self) -> Sequence[float]:
        """Return the direction that is up, in the frame of the header."""
        return optical_up(self.surface) if self.transform is None else UP


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
    def wanted(self) -> set[str]:
        """Return the heads whose results are needed; none where nobody subscribes."""
        markers = self._markers.get_subscription_count() > 0
        kinds = {kind for kind, publisher in self._publishers.items()
                 if markers or publisher.get_subscription_count()}
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

    def publish(self, size: Size, results: Mapping[str, Structure], image: Header,
                parameters: Parameters, deadline: float) -> None:
        """
        Publish the results of an image in space, if its depth is there or comes in time.

        :param size: of the image.
        :param results: head -> what is published of it, in pixels of the image.
        :param image: its header.
        :param deadline: of the steady clock, until which the depth may come.
        """
        if not self.intake.is_open:
            return
        try:
            msg = self.intake.find(time_ns(image.stamp), parameters.depth_slop, deadline)
            if msg is None:
                self.statistics.add_missing(self.intake.nearest_s)
                return
            surface = self._reader.read(msg, self.intake.info(), image, parameters.max_pixels)
            frame = msg.header.frame_id
            target, transform = self._transform(frame, image.stamp, parameters.tf_timeout)
            header = Header(stamp=image.stamp, frame_id=target)
            scene = Scene(header, surface, frame, transform, self._mask(results, surface),
                          registration(size, surface.size), parameters.depth_noise)
            self.statistics.add_found(self._publish(scene, results, parameters))
        except TransformError as error:
            self._refuse(error, error.cause)
        # Whatever the middleware and a wrong message may raise: only these results are lost.
        except Exception as error:
            if self._node.context.ok():  # else the process is being ended, so publishing fails
                self._refuse(error)

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

    def _mask(self, results: Mapping[str, Structure], surface: Surface) -> Mask | None:
        name = self._names.get(_AREAS)
        if name not in results:
            return None
        labels = results[name]
        return Mask.of(labels, self._heads[name].task.classes, max(labels.labels.shape) / _CELLS,
                       surface.size)

    def _publish(self, scene: Scene, results: Mapping[str, Structure],
                 parameters: Parameters) -> int:
        """Publish what is subscribed to; return how many objects have no place."""
        draw = self._markers.get_subscription_count() > 0
        wanted = {kind for kind, publisher in self._publishers.items()
                  if self._names[kind] in results
                  and (publisher.get_subscription_count() or draw and kind is not _AREAS)}
        detections, distances, placeless = Detection3DArray(header=scene.header), np.zeros(0), 0
        people = HumanPose3DArray(header=scene.header)
        if _OBJECTS in wanted:
            detections, distances, lost = self._objects(scene, results, parameters)
            self._publishers[_OBJECTS].publish(detections)
            placeless += lost
        if _PEOPLE in wanted:
            people, lost = self._people(scene, results, parameters)
            self._publishers[_PEOPLE].publish(people)
            placeless += lost
        if _AREAS in wanted:
            header = Header(stamp=scene.header.stamp, frame_id=scene.frame)
            self._publishers[_AREAS].publish(semantic_cloud_msg(
                scene.surface, scene.mask, header,
                points_classes(parameters.points_classes, scene.mask.classes)))
        if draw:
            self._markers.publish(markers_msg(
                detections, people, self._task(_OBJECTS, 'classes', ()),
                self._task(_PEOPLE, 'joints', COCO_SKELETON), distances.tolist(), scene.up))
        return placeless

    def _task(self, kind: str, name: str, default: Any) -> Any:
        """Return what the task of a kind says, a default where there is no such head."""
        return (getattr(self._heads[self._names[kind]].task, name) if kind in self._names
                else default)

    def _objects(self, scene: Scene, results: Mapping[str, Structure],
                 parameters: Parameters) -> tuple[Detection3DArray, np.ndarray, int]:
        """Return objects, the metres to each, and how many others have no place."""
        name = self._names[_OBJECTS]
        head, objects = self._heads[name], results[name]
        places = scene.lift(Subjects.of_objects(
            objects.warp(scene.affine, scene.surface.size), head.task.classes, scene.mask))
        in_image = head.message(objects, scene.header, parameters.of(name))
        return (detections_3d_to_msg(in_image, places, scene.header),
                scene.distances(places), len(objects) - len(places))

    def _people(self, scene: Scene, results: Mapping[str, Structure],
                parameters: Parameters) -> tuple[HumanPose3DArray, int]:
        """Return people, and how many others have no place."""
        name = self._names[_PEOPLE]
        of_head = parameters.of(name)
        people = results[name].warp(scene.affine, scene.surface.size)
        places = scene.lift(Subjects.of_people(people, of_head.keypoint_threshold, scene.mask))
        joints = lift_joints(scene.surface, people, places, scene.mask, scene.transform,
                             scene.noise)
        in_image = self._heads[name].message(results[name], scene.header, of_head)
        return (poses_3d_to_msg(in_image, places, joints, scene.header),
                len(people) - len(places))

    def destroy(self) -> None:
        """Take the topics back."""
        self.intake.close()
        for publisher in [*self._publishers.values(), self._markers]:
            self._node.destroy_lifecycle_publisher(publisher)
