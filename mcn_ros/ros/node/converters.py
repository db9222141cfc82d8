# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which messages the node makes of predictions of each type; a new type gets a line here."""

from dataclasses import dataclass
from typing import Any, Callable

from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from mcn_ros.colors import vector_colors
from mcn_ros.ros.node.conversions import (
    class_map_to_color_msg, class_map_to_msg, detections_to_msg, label_info_msg, poses_to_msg,
    rgb_to_image, scalar_map_to_msg, skeleton_info_msg, vector_map_to_msg)
from mcn_ros.ros.node.parameters import HeadParameters
from mcn_ros.structures import (
    ClassMap, ClassPlanes, Instances, Poses, ScalarMap, Structure, VectorMap)
from mcn_ros.tasks import Task


@dataclass(frozen=True)
class Converter:
    """
    Makes the messages of predictions of a type.

    :param messages: for each topic of :data:`mcn_ros.data.results.RESULTS` a function:
        (prediction in camera pixels, header, task, parameters) -> message.
    :param info: (header, task, parameters) -> description; None for none.
    """

    messages: tuple[Callable[[Structure, Header, Task, HeadParameters], Any], ...]
    info: Callable[[Header, Task, HeadParameters], Any] | None = None


def _labels_msg(header: Header, task: Task, parameters: HeadParameters) -> LabelInfo:
    return label_info_msg(('background', *task.classes), header)


CONVERTERS: dict[type, Converter] = {
    Instances: Converter(
        (lambda objects, header, task, parameters: detections_to_msg(
            objects, header, task.classes, parameters.class_id_format),),
        lambda header, task, parameters: label_info_msg(
            task.classes, header, parameters.score_threshold)),
    Poses: Converter(
        (lambda people, header, task, parameters: poses_to_msg(
            people, header, parameters.keypoint_threshold),),
        lambda header, task, parameters: skeleton_info_msg(
            task.joints, header, parameters.keypoint_threshold)),
    ClassMap: Converter(
        (lambda areas, header, *_: class_map_to_msg(areas, header),
         lambda areas, header, task, _: class_map_to_color_msg(areas, header, len(task.classes))),
        _labels_msg),
    ScalarMap: Converter((lambda scalars, header, *_: scalar_map_to_msg(scalars, header),)),
    VectorMap: Converter(
        (lambda directions, header, *_: vector_map_to_msg(directions, header),
         lambda directions, header, *_: rgb_to_image(
             vector_colors(directions.vectors), header, 'rgb8'))),
    ClassPlanes: Converter(
        (lambda planes, header, task, parameters: class_map_to_msg(
            planes.class_map(parameters.score_threshold), header),
         lambda planes, header, task, parameters: class_map_to_color_msg(
             planes.class_map(parameters.score_threshold), header, len(task.classes))),
        _labels_msg),
}
