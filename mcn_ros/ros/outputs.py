# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What each head publishes for a camera: one class per task, and the overlay of all of them.

A new task gets a class here and a line in OUTPUTS. Pictures are made only while someone subscribes
to them. All publishers are reliable, so that every subscriber can be matched.
"""

from typing import Any, Mapping

from mcn_ros_msgs.msg import HumanPose2DArray, SkeletonInfo
import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle.publisher import LifecyclePublisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from mcn_ros.ros.conversions import (
    class_map_to_color_msg, class_map_to_msg, detections_to_msg, label_info_msg, poses_to_msg,
    rgb_to_image, skeleton_info_msg)
from mcn_ros.ros.parameters import Parameters, select_classes
from mcn_ros.structures import ClassMap, Instances, Poses, select
from mcn_ros.tasks import DetectionTask, PoseTask, SegmentationTask
from mcn_ros.visualization import draw


def _publisher(node: LifecycleNode, msg_type: type, topic: str, depth: int = 10,
               latched: bool = False) -> LifecyclePublisher:
    if latched:
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        return node.create_lifecycle_publisher(msg_type, topic, qos)
    return node.create_lifecycle_publisher(
        msg_type, topic, QoSProfile(depth=depth),
        qos_overriding_options=QoSOverridingOptions.with_default_policies())


class DetectionOutput:
    """Publishes ``detections`` and, latched, ``detection/label_info``."""

    def __init__(self, node: LifecycleNode, prefix: str, task: DetectionTask):
        self.class_names = task.classes
        self._detections = _publisher(node, Detection2DArray, f'{prefix}detections')
        self._info = _publisher(node, LabelInfo, f'{prefix}detection/label_info', latched=True)
        self.publishers = [self._detections, self._info]

    def announce(self, header: Header, parameters: Parameters) -> None:
        self._info.publish(label_info_msg(
            self.class_names, header, parameters.detection_score_threshold))

    def choose(self, objects: Instances, parameters: Parameters) -> Instances:
        """Return the objects that pass the thresholds and the class filter; best first."""
        passing = select_classes(parameters.detection_classes, self.class_names)
        keep = passing[objects.classes] & (objects.scores >= parameters.detection_score_threshold)
        return select(objects, np.flatnonzero(keep)[:parameters.max_detections])

    def publish(self, objects: Instances, header: Header, parameters: Parameters) -> None:
        self._detections.publish(detections_to_msg(
            objects, header, self.class_names, parameters.class_id_format))


class PoseOutput:
    """Publishes ``poses`` and, latched, ``skeleton_info``."""

    def __init__(self, node: LifecycleNode, prefix: str, task: PoseTask):
        self.class_names = ()
        self._skeleton = task.joints
        self._poses = _publisher(node, HumanPose2DArray, f'{prefix}poses')
        self._info = _publisher(node, SkeletonInfo, f'{prefix}skeleton_info', latched=True)
        self.publishers = [self._poses, self._info]

    def announce(self, header: Header, parameters: Parameters) -> None:
        self._info.publish(skeleton_info_msg(
            self._skeleton, header, parameters.pose_keypoint_threshold))

    def choose(self, people: Poses, parameters: Parameters) -> Poses:
        """Return the people that pass the threshold; best first."""
        keep = people.scores >= parameters.pose_score_threshold
        return select(people, np.flatnonzero(keep)[:parameters.max_detections])

    def publish(self, people: Poses, header: Header, parameters: Parameters) -> None:
        self._poses.publish(poses_to_msg(people, header, parameters.pose_keypoint_threshold))


class SegmentationOutput:
    """Publishes ``semantic/image``, ``semantic/color`` and, latched, ``semantic/label_info``."""

    def __init__(self, node: LifecycleNode, prefix: str, task: SegmentationTask):
        self.class_names = task.classes
        self._image = _publisher(node, Image, f'{prefix}semantic/image', depth=1)
        self._color = _publisher(node, Image, f'{prefix}semantic/color', depth=1)
        self._info = _publisher(node, LabelInfo, f'{prefix}semantic/label_info', latched=True)
        self.publishers = [self._image, self._color, self._info]

    def announce(self, header: Header, parameters: Parameters) -> None:
        self._info.publish(label_info_msg(('background', *self.class_names), header))

    def choose(self, class_map: ClassMap, parameters: Parameters) -> ClassMap:
        return class_map

    def publish(self, class_map: ClassMap, header: Header, parameters: Parameters) -> None:
        if self._image.get_subscription_count():
            self._image.publish(class_map_to_msg(class_map, header))
        if self._color.get_subscription_count():
            self._color.publish(class_map_to_color_msg(
                class_map, header, len(self.class_names)))


OUTPUTS = {
    'detection': DetectionOutput,
    'pose': PoseOutput,
    'segmentation': SegmentationOutput,
}


class Outputs:
    """
    All results of one camera.

    :param prefix: of the topics, '~/' or '~/<camera>/'.
    :param tasks: task name -> task, of the heads that run.
    """

    def __init__(self, node: LifecycleNode, prefix: str, tasks: Mapping[str, Any]):
        self._node = node
        self._outputs = {name: OUTPUTS[name](node, prefix, task) for name, task in tasks.items()}
        self._overlay = _publisher(node, Image, f'{prefix}overlay', depth=1)

    def announce(self, header: Header, parameters: Parameters) -> None:
        """Publish the latched descriptions."""
        for output in self._outputs.values():
            output.announce(header, parameters)

    def publish(self, image: np.ndarray, predictions: Mapping[str, Any], header: Header,
                parameters: Parameters, text: str) -> None:
        """
        Publish the results of a frame, then its overlay.

        :param image: (H, W, 3) uint8 RGB.
        :param predictions: task name -> structure in camera pixels, not thresholded.
        :param header: that of the image.
        :param text: to be written into the overlay.
        """
        chosen = {name: output.choose(predictions[name], parameters)
                  for name, output in self._outputs.items()}
        for name, output in self._outputs.items():
            output.publish(chosen[name], header, parameters)
        if self._overlay.get_subscription_count():
            names = {name: output.class_names for name, output in self._outputs.items()}
            picture = draw(image, chosen, names, 0.0,
                           keypoint_threshold=parameters.pose_keypoint_threshold,
                           text=text if parameters.overlay_text else '')
            self._overlay.publish(rgb_to_image(picture, header))

    def destroy(self) -> None:
        """Take the topics back."""
        publishers = [p for output in self._outputs.values() for p in output.publishers]
        for publisher in [*publishers, self._overlay]:
            self._node.destroy_lifecycle_publisher(publisher)
