# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which messages the node makes of predictions of each type; a new type gets a line here."""

from dataclasses import dataclass, replace
from typing import Any, Callable

from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from mcn_ros.ros.node.conversions import (
    class_map_to_color_msg, class_map_to_msg, detections_to_msg, label_info_msg,
    line_map_to_thin_msg, poses_to_msg, scalar_map_to_msg, skeleton_info_msg, vector_map_to_msg)
from mcn_ros.ros.node.parameters import HeadParameters
from mcn_ros.structures import (
    ClassMap, ClassPlanes, Instances, LineMap, Poses, ScalarMap, Structure, VectorMap)
from mcn_ros.tasks import Task


@dataclass(frozen=True)
class Converter:
    """
    Makes the messages of predictions of a type.

    :param messages: for each topic of :data:`mcn_ros.data.results.RESULTS` a function:
        (what is shown of a prediction in camera pixels, header, task, parameters) -> message.
    :param info: (header, task, parameters) -> description; None for none.
    :param shown: (prediction, parameters) -> what all messages are made of.
    :param png: which of the messages, by their indices, are images that a PNG file can hold.
    """

    messages: tuple[Callable[[Structure, Header, Task, HeadParameters], Any], ...]
    info: Callable[[Header, Task, HeadParameters], Any] | None = None
    shown: Callable[[Structure, HeadParameters], Structure] = lambda prediction, _: prediction
    png: tuple[int, ...] = ()


def _labels_msg(header: Header, task: Task, threshold: float = 0.0) -> LabelInfo:
    return label_info_msg(('background', *task.classes), header, threshold)


AREAS = Converter(
    (lambda areas, header, *_: class_map_to_msg(areas, header),
     lambda areas, header, task, _: class_map_to_color_msg(areas, header, len(task.classes))),
    lambda header, task, _: _labels_msg(header, task), png=(0, 1))


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
    ClassMap: AREAS,
    ScalarMap: Converter(
        (lambda scalars, header, *_: scalar_map_to_msg(scalars, header),), png=(0,)),
    LineMap: Converter(
        (lambda lines, header, *_: scalar_map_to_msg(lines, header),
         lambda lines, header, task, parameters: line_map_to_thin_msg(
             lines, header, parameters.threshold)), png=(0, 1)),
    VectorMap: Converter(
        (lambda directions, header, task, parameters: vector_map_to_msg(
            directions, header, parameters.encoding),
         lambda directions, header, *_: vector_map_to_msg(directions, header, 'rgb8')), png=(1,)),
    ClassPlanes: replace(
        AREAS, shown=lambda planes, parameters: planes.class_map(parameters.score_threshold),
        info=lambda header, task, parameters: _labels_msg(
            header, task, parameters.score_threshold)),
}
