# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The parameters of the node: declared once, read as one frozen dataclass.

A field of :class:`Parameters` is a declaration: its name, default, description, limits, and
whether it can change at run time. So is one of :class:`HeadParameters`, which each head has for
itself, as ``HEAD.score_threshold``. config/mcn.yaml says the same for users.
"""

from dataclasses import dataclass, Field, field, fields
from typing import Any, Mapping, Sequence

import numpy as np
from rcl_interfaces.msg import (
    FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult)
from rclpy.node import Node
from rclpy.parameter import Parameter

from mcn_ros.data.image_formats import MAX_PIXELS
from mcn_ros.data.results import SCORE_THRESHOLD
from mcn_ros.spatial.depth import DepthRange
from mcn_ros.spatial.lift import NOISE
from mcn_ros.structures import (
    ClassMap, ClassPlanes, Instances, LineMap, Poses, VectorMap)
from mcn_ros.tasks import Task, TASKS, usual_names
from mcn_ros.tracking import Thresholds

POINTS_CLASSES = 'semantic.points_classes'
CLOUDS = (ClassMap,)  # predictions that clouds are made of


def _parameter(default: Any, description: str, name: str = '', limits: tuple = (),
               choices: tuple[str, ...] = (), live: bool = False, of_task: bool = False) -> Any:
    """
    Declare a parameter.

    :param default: also gives the type; () stands for a list of names, in ROS an array or a
        string with commas, where '' is the empty list; other tuples have as many numbers.
    :param name: in ROS, if it is not that of the field.
    :param limits: lowest and highest value, also of each of several numbers.
    :param choices: the values allowed.
    :param live: can change at run time; otherwise it is read-only.
    :param of_task: the default is what the task of the head has by that name, if it has.
    """
    return field(default=default, metadata={
        'description': description, 'name': name, 'limits': limits, 'choices': choices,
        'live': live, 'of_task': of_task})


@dataclass(frozen=True)
class HeadParameters:
    """
    What the node is told about a head.

    :param class_id_format: that of :class:`Parameters`, as is ``max_detections``.
    """

    score_threshold: float = _parameter(
        SCORE_THRESHOLD, 'Objects, people or classes with a lower score are not published.',
        limits=(0.0, 1.0), live=True)
    classes: tuple[str, ...] = _parameter(
        (), 'Names or ids of the classes that are published; empty for all.', live=True)
    keypoint_threshold: float = _parameter(
        0.2, 'Keypoints with a lower score are published as LOW_CONFIDENCE, and not drawn.',
        limits=(0.0, 1.0), live=True)
    threshold: float = _parameter(
        0.5, 'Ridges of lines that are at least so probable are those that ~/HEAD/thin shows.',
        limits=(0.0, 1.0), live=True, of_task=True)
    encoding: str = _parameter(
        '32FC3', 'What the pixels of ~/HEAD/image are: 32FC3 (numbers, NaN where unknown) or rgb8 '
        '(colours, a quarter of the bytes, black where unknown).', choices=('32FC3', 'rgb8'))
    class_id_format: str = 'id'
    max_detections: int = 100


@dataclass(frozen=True)
class Parameters:
    """
    What the node is told; a snapshot.

    :param of_heads: head -> what is told about it.
    """

    weights: str = _parameter(
        '', 'Weights file: a path or the name of shipped weights; empty for the default ones.')
    heads: tuple[str, ...] = _parameter(
        (), 'Heads of the weights that are run, such as [detection, pose]; empty for all.')
    cameras: tuple[str, ...] = _parameter(
        (), 'Names of several cameras, with topics <camera>/image and ~/<camera>/...; empty for '
        'the one topic image.')
    image_transport: str = _parameter(
        'raw', 'Whether images come as sensor_msgs/Image or sensor_msgs/CompressedImage.',
        choices=('raw', 'compressed'))
    device: str = _parameter(
        'auto', 'auto (the first GPU, or the CPU if there is none), cpu, cuda or cuda:N.')
    backend: str = _parameter(
        'auto', 'What runs the network: auto (the fastest that works on the device), torch, '
        'torch_compile, cuda_graph, onnxruntime or openvino.')
    precision: str = _parameter(
        'auto', 'auto (float16 on a GPU, float32 on a CPU), float32, float16, bfloat16, tf32 (a '
        'GPU only) or int8 (OpenVINO; needs a calibration).')
    calibration: str = _parameter(
        '', 'Images like those of the cameras, which the precision int8 needs: a folder, a video '
        'or a bag.')
    autostart: bool = _parameter(
        True, 'Whether the node configures and activates itself.')
    class_id_format: str = _parameter(
        'id', 'What class_id of a detection is: the decimal id of label_info, or the name.',
        choices=('id', 'name'))
    max_detections: int = _parameter(
        100, 'Most objects, and most people, that are published per image.', limits=(1, 1000),
        live=True)
    max_pixels: int = _parameter(
        MAX_PIXELS, 'Images with more pixels are not decoded, but dropped with an error.',
        limits=(1, 1_000_000_000), live=True)
    on_device_error: str = _parameter(
        'retry', 'What is done when the device fails (out of memory, lost): retry (again and '
        'again, at longer intervals) or cpu (go on there, and return when the device works).',
        choices=('retry', 'cpu'))
    tracking: bool = _parameter(
        True, 'Whether objects and people have ids that they keep from frame to frame.',
        live=True)
    tracking_high: float = _parameter(
        Thresholds.high, 'Objects with a lower score only keep alive what is tracked already.',
        'tracking.high', limits=(0.0, 1.0), live=True)
    tracking_low: float = _parameter(
        Thresholds.low, 'Objects with a lower score are no objects to the tracker.',
        'tracking.low', limits=(0.0, 1.0), live=True)
    tracking_lost: float = _parameter(
        Thresholds.lost, 'Seconds after which an object that is not found loses its id.',
        'tracking.lost', limits=(0.0, 60.0), live=True)
    depth_source: str = _parameter(
        '', 'What tells how far things are: image (of depth, registered to the images), points '
        "(organised clouds, likewise) or '' (nothing: there are no results in space).",
        'depth.source', choices=('', 'image', 'points'))
    depth_transport: str = _parameter(
        'raw', 'Whether images of depth come as sensor_msgs/Image or sensor_msgs/CompressedImage.',
        'depth.transport', choices=('raw', 'compressedDepth'))
    depth_scale: float = _parameter(
        DepthRange.scale, 'Metres per unit of depth images of 16 bit.', 'depth.scale',
        limits=(1e-06, 1.0))
    depth_min: float = _parameter(
        DepthRange.near, 'Metres; nearer depth is not known.', 'depth.min', limits=(0.0, 1000.0))
    depth_max: float = _parameter(
        DepthRange.far, 'Metres; farther depth is not known.', 'depth.max', limits=(0.0, 1000.0))
    depth_slop: float = _parameter(
        0.02, 'Seconds that the stamps of an image and its depth may differ; 0: not at all.',
        'depth.slop', limits=(0.0, 1.0), live=True)
    depth_wait: float = _parameter(
        0.05, 'Seconds that results in space wait for the depth of their image; others never do.',
        'depth.wait', limits=(0.0, 10.0), live=True)
    depth_noise: tuple[float, ...] = _parameter(
        NOISE, 'Two numbers a, b: the standard deviation of a depth z is a + b z^2 metres.',
        'depth.noise', limits=(0.0, 1.0))
    depth_rectified: str = _parameter(
        'auto', 'Whether the images are undistorted: true, false, or auto (where their topic is '
        'called so, or no lens distorts).', 'depth.rectified', choices=('auto', 'true', 'false'))
    points_classes: tuple[str, ...] = _parameter(
        (), 'Names or ids of the classes whose points are in the cloud, such as those that are '
        'obstacles; empty for all points. The others are NaN.', POINTS_CLASSES, live=True)
    target_frame: str = _parameter(
        '', 'Frame of the results in space, such as odom: tf2 has to know the way to it at the '
        "time of each image; '' is that of the depth.")
    tf_timeout: float = _parameter(
        0.05, 'Seconds that results in space wait for the transform to target_frame.',
        limits=(0.0, 10.0), live=True)
    humans: bool = _parameter(
        False, 'Whether people who are tracked are published as REP 155 has it, on topics below '
        '/humans/bodies; needs hri_msgs.')
    diagnostics_max_latency: float = _parameter(
        1.0, 'Seconds from stamp to results (95th percentile) beyond which diagnostics warn; 0: '
        'never.', 'diagnostics.max_latency', limits=(0.0, 3600.0), live=True)
    diagnostics_min_rate: float = _parameter(
        0.0, 'Frames per second below which diagnostics warn; 0: never.',
        'diagnostics.min_rate', limits=(0.0, 1000.0), live=True)
    overlay_text: bool = _parameter(
        True, 'Whether rate and latency are written into the overlay.', 'overlay.text', live=True)
    of_heads: Mapping[str, HeadParameters] = field(default_factory=dict)

    @property
    def thresholds(self) -> Thresholds:
        """Return what the tracker is told."""
        return Thresholds(self.tracking_high, self.tracking_low, self.tracking_lost)

    @property
    def depth_range(self) -> DepthRange:
        """Return which depth counts; ValueError for limits that are no range."""
        return DepthRange(self.depth_scale, self.depth_min, self.depth_max)

    def of(self, head: str) -> HeadParameters:
        """Return what is told about a head; the defaults where it has no parameters."""
        return self.of_heads.get(head, HeadParameters())


# Structure of predictions -> parameters that a head has; others have none.
HEAD_PARAMETERS: dict[type, tuple[str, ...]] = {
    Instances: ('score_threshold', 'classes'),
    Poses: ('score_threshold', 'keypoint_threshold'),
    ClassPlanes: ('score_threshold',),
    LineMap: ('threshold',),
    VectorMap: ('encoding',),
}
HEAD_FIELDS = {f.name: f for f in fields(HeadParameters) if f.metadata}


def head_fields(name: str, prediction: type) -> dict[str, Field]:
    """Return ROS name -> field of a head."""
    return {f'{name}.{key}': HEAD_FIELDS[key] for key in HEAD_PARAMETERS.get(prediction, ())}


# ROS name -> field of what there is whatever the weights: also heads that have the usual names.
NODE_FIELDS = {f.metadata['name'] or f.name: f for f in fields(Parameters) if f.metadata}
FIELDS = {**NODE_FIELDS, **{
    name: declared for head in usual_names()
    for name, declared in head_fields(head, TASKS[head].annotation).items()}}


def descriptions() -> dict[str, tuple[Any, str]]:
    """Return ROS name -> default as ROS has it, what it means and the values that it may have."""
    texts = {}
    for name, declared in FIELDS.items():
        meta, text = declared.metadata, declared.metadata['description']
        if meta['choices']:
            text += f' One of {_one_of(meta["choices"])}.'
        if meta['limits']:
            text += ' {} to {}.'.format(*meta['limits'])
        texts[name] = _ros_default(declared), text
    return texts


def declare_parameters(node: Node) -> None:
    """Declare all that do not depend on the weights; ParameterException for wrong values."""
    node.add_on_set_parameters_callback(_check)
    _declare(node, FIELDS)


def declare_head_parameters(node: Node, tasks: Mapping[str, Task]) -> None:
    """Declare those of the heads of the weights; ParameterException for wrong values."""
    for name, task in tasks.items():
        _declare(node, head_fields(name, task.prediction), task)


def _declare(node: Node, wanted: Mapping[str, Field], task: Task | None = None) -> None:
    for name, declared in wanted.items():
        if not node.has_parameter(name):
            default = _ros_default(declared)
            if declared.metadata['of_task']:
                default = getattr(task, declared.name, default)
            node.declare_parameter(name, default, _descriptor(declared))


def _is_names(declared: Any) -> bool:
    return declared.default == ()


def _ros_default(declared: Any) -> Any:
    if isinstance(declared.default, tuple):
        return list(declared.default) or ''
    return declared.default


def _one_of(choices: Sequence[str]) -> str:
    return ', '.join(choice or "''" for choice in choices)


def read_parameters(node: Node) -> Parameters:
    """Return the values of now."""
    of_node = {declared.name: parse_value(node.get_parameter(name))
               for name, declared in NODE_FIELDS.items()}
    common = {key: of_node[key] for key in ('class_id_format', 'max_detections')}
    heads: dict[str, dict[str, Any]] = {}
    for name, parameter in node.get_parameters_by_prefix('').items():
        head, _, key = name.rpartition('.')
        if head and key in HEAD_FIELDS:
            heads.setdefault(head, dict(common))[key] = parse_value(parameter)
    return Parameters(**of_node, of_heads={head: HeadParameters(**values)
                                           for head, values in heads.items()})


def find_field(name: str) -> Field | None:
    """Return what a parameter is, None for one of rclpy."""
    return FIELDS.get(name) or HEAD_FIELDS.get(name.rpartition('.')[2])


def parse_value(parameter: Parameter) -> Any:
    """Return the value of a parameter, with a list in any notation as a tuple of strings."""
    declared = find_field(parameter.name)
    if not _is_names(declared):
        return tuple(parameter.value) if isinstance(declared.default, tuple) else parameter.value
    values = '' if parameter.value is None else parameter.value
    if isinstance(values, (str, int)):
        values = str(values).strip('[]').split(',')
    return tuple(str(value).strip() for value in values if str(value).strip())


def select_classes(head: str, wanted: Sequence[str], class_names: Sequence[str]) -> np.ndarray:
    """Resolve the class filter of a head, see :func:`find_classes`."""
    return find_classes(f'{head}.classes', wanted, class_names)


def find_classes(parameter: str, wanted: Sequence[str], class_names: Sequence[str]) -> np.ndarray:
    """
    Resolve a parameter that has classes.

    :param parameter: its name.
    :param wanted: names or decimal ids; empty for all.
    :param class_names: of the head.
    :return: (C,) bool, which classes pass.
    :raises ValueError: for a class that the head does not have.
    """
    ids = {name: index for index, name in enumerate(class_names)}
    ids.update({str(index): index for index in range(len(class_names))})
    unknown = [name for name in wanted if name not in ids]
    if unknown:
        raise ValueError(f'{parameter}: unknown {", ".join(unknown)} '
                         f'(known: {", ".join(class_names)}, or ids 0 to {len(class_names) - 1})')
    passing = np.full(len(class_names), not wanted)
    passing[[ids[name] for name in wanted]] = True
    return passing


def points_classes(wanted: Sequence[str], class_names: Sequence[str]) -> list[str]:
    """
    Return the names of the classes in the cloud, [] for all; ``wanted`` has names or ids.

    :raises ValueError: for a class that there is not.
    """
    chosen = find_classes(POINTS_CLASSES, wanted, class_names)
    return [class_names[index] for index in np.flatnonzero(chosen)] if wanted else []


def check_points_classes(wanted: Sequence[str], tasks: Mapping[str, Task]) -> None:
    """Raise ValueError for classes that the first head with a semantic image does not have."""
    maps = [task for task in tasks.values() if task.prediction in CLOUDS]
    for task in maps[:1]:
        points_classes(wanted, task.classes)


def _descriptor(declared: Any) -> ParameterDescriptor:
    meta = declared.metadata
    descriptor = ParameterDescriptor(
        description=meta['description'], read_only=not meta['live'],
        additional_constraints=f'one of {_one_of(meta["choices"])}' if meta['choices'] else '',
        # An empty list in Python has no element type, so a list could not be declared otherwise.
        dynamic_typing=_is_names(declared))
    if meta['limits']:
        low, high = meta['limits']
        if isinstance(low, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        else:
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    return descriptor


def _check(parameters: Sequence[Parameter]) -> SetParametersResult:
    """Check what ROS itself does not: choices, several numbers, and the types of lists."""
    for parameter in parameters:
        declared = find_field(parameter.name)
        if declared is None:
            continue
        choices = declared.metadata['choices']
        if choices and parameter.value not in choices:
            return SetParametersResult(
                successful=False, reason=f'{parameter.name}: {parameter.value!r} is not one of '
                f'{_one_of(choices)}')
        if not _is_names(declared) and isinstance(declared.default, tuple):
            low, high = declared.metadata['limits']
            if len(parameter.value) != len(declared.default) or not all(
                    low <= value <= high for value in parameter.value):
                return SetParametersResult(
                    successful=False, reason=f'{parameter.name}: {list(parameter.value)} are not '
                    f'{len(declared.default)} numbers of {low} to {high}')
        if _is_names(declared) and parameter.type_ not in LIST_TYPES:
            return SetParametersResult(
                successful=False, reason=f'{parameter.name}: {parameter.value!r} is not a list')
    return SetParametersResult(successful=True)


# An empty list comes as NOT_SET from a file or command line, and as a byte array from Python.
LIST_TYPES = (Parameter.Type.STRING, Parameter.Type.STRING_ARRAY, Parameter.Type.INTEGER,
              Parameter.Type.INTEGER_ARRAY, Parameter.Type.NOT_SET, Parameter.Type.BYTE_ARRAY)
