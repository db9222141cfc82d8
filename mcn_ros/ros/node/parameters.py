# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The parameters of the node: declared once, read as one frozen dataclass.

A field of :class:`Parameters` is a declaration: its name, default, description, limits, and
whether it can change at run time. So is one of :class:`HeadParameters`, which each head has for
itself, as ``HEAD.score_threshold``. config/mcn.yaml says the same for users.
"""

from dataclasses import dataclass, Field, field, fields
from typing import Any, Mapping

from mcn_ros.data.image_formats import MAX_PIXELS
from mcn_ros.data.results import SCORE_THRESHOLD
from mcn_ros.ros.node.class_filter import POINTS_CLASSES
from mcn_ros.spatial.depth import DepthRange
from mcn_ros.spatial.lift import NOISE
from mcn_ros.structures import ClassPlanes, Instances, LineMap, Poses, VectorMap
from mcn_ros.tasks import TASKS, usual_names
from mcn_ros.tracking import Thresholds
from mcn_ros.vocabulary import KEYPOINT_THRESHOLD


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
        KEYPOINT_THRESHOLD,
        'Keypoints with a lower score are published as LOW_CONFIDENCE, and not drawn.',
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


def find_field(name: str) -> Field | None:
    """Return what a parameter is, None for one of rclpy."""
    return FIELDS.get(name) or HEAD_FIELDS.get(name.rpartition('.')[2])
