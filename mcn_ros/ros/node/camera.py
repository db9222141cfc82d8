# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One camera of the node: the subscription to its images, its outputs and its statistics."""

import time
from typing import Any, Callable, Iterator, Mapping, Sequence

import numpy as np
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.validate_topic_name import validate_topic_name
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from mcn_ros.data.messages import stamp_ns, time_ns
from mcn_ros.ros.node.arrivals import Arrivals
from mcn_ros.ros.node.conversions import check_header, compressed_to_rgb, image_to_rgb
from mcn_ros.ros.node.depth_intake import DepthIntake
from mcn_ros.ros.node.depth_surface import DEPTH_TYPES, SurfaceReader
from mcn_ros.ros.node.diagnostics import Statistics
from mcn_ros.ros.node.intake import (
    has_message, Numbering, offered_reliability, PolledCallbackGroup, take_newest)
from mcn_ros.ros.node.outputs import Outputs
from mcn_ros.ros.node.parameters import Parameters
from mcn_ros.ros.node.silence import Input, why_silent
from mcn_ros.ros.node.spatial_output import SpatialOutput
from mcn_ros.ros.node.transforms import Transforms
from mcn_ros.tracking import id_prefix, Tracker

TRANSPORTS = {'raw': (Image, image_to_rgb), 'compressed': (CompressedImage, compressed_to_rgb)}
IMAGES = Input('image', 'images', (Image, CompressedImage), 'image_transport')
MATCHING = ReliabilityPolicy.BEST_AVAILABLE.name.lower()


class Camera:
    """
    A source of images.

    :param node: creates the topics.
    :param name: '' for the only camera of a node.
    :param tasks: task name -> task, of the heads that run.
    :param parameters: of the node, as it is configured.
    :param numbers: prefix -> numbers of the ids of objects, see
        :class:`mcn_ros.tracking.Tracker`; those of all cameras, for as long as the process lives.
    :param transforms: to the frame of results in space, None for that of the depth.
    :ivar space: its results in space, None where there are none.
    :ivar subscription: to its images, None while there is none.
    :ivar arrivals: of images that are not numbered.
    :ivar received_ns: when the image that was taken last had come, by the clock of the system.
    """

    def __init__(self, node: LifecycleNode, name: str, tasks: Mapping[str, Any],
                 parameters: Parameters, numbers: Mapping[str, Iterator[int]],
                 transforms: Transforms | None = None):
        self._node = node
        self.name = name
        self.statistics = Statistics()
        self._msg_type, self._decode = TRANSPORTS[parameters.image_transport]
        self.topic = self._input('image', parameters.image_transport)
        self._reliability = _declare_reliability(node, self.topic)
        # A name may begin with a slash: only its input is then outside of the node's namespace.
        ids = id_prefix(name)
        prefix = f'~/{name.strip("/")}/' if name else '~/'
        self.outputs = Outputs(node, prefix, tasks, Tracker(tasks, ids, numbers[ids]))
        self.space = (self._space(prefix, parameters, transforms) if parameters.depth_source
                      else None)
        self.subscription = None
        self.received_ns = 0
        self._group = PolledCallbackGroup()
        self._numbering = Numbering()
        self.arrivals = Arrivals()
        self._changed = None

    def _input(self, name: str, transport: str = 'raw') -> str:
        """Return the full name of a topic of the camera that is listened to."""
        return image_topic(self._node, f'{self.name}/{name}' if self.name else name, transport)

    def _space(self, prefix: str, parameters: Parameters,
               transforms: Transforms | None) -> SpatialOutput:
        if parameters.depth_source == 'points':
            intake = DepthIntake(self._node, PointCloud2, self._input('points'), '')
        else:
            kind = DEPTH_TYPES[parameters.depth_transport]
            intake = DepthIntake(
                self._node, kind, self._input('depth', parameters.depth_transport),
                self._input('depth_info'))
        reader = SurfaceReader(parameters.depth_range, parameters.depth_rectified, self.topic)
        return SpatialOutput(self._node, prefix, self.outputs.heads, intake, reader, transforms)

    def decode(self, msg: Image | CompressedImage, max_pixels: int) -> np.ndarray:
        """
        Return a received image.

        :param max_pixels: a larger image is refused.
        :return: (H, W, 3) uint8 RGB.
        :raises ValueError: if it cannot be decoded or has a header that results cannot have.
        """
        check_header(msg.header)
        return self._decode(msg, max_pixels)

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Receive images; ``changed`` is called for another subscription or awaited arrivals."""
        # Silence counts from here on.
        self.statistics = Statistics()
        self._numbering = Numbering()
        self.arrivals = Arrivals()
        self.outputs.forget_tracks()
        self._changed = changed
        self._create_subscription(self._wanted_reliability())
        if self.space is not None:
            self.space.follow()

    def unsubscribe(self) -> None:
        """Receive no more images."""
        subscription, self.subscription = self.subscription, None
        if subscription is not None:
            self._node.destroy_subscription(subscription)
        if self.space is not None:
            self.space.intake.close()

    def forget_times(self) -> None:
        """Forget what was measured or kept by times that are no longer those of the clock."""
        self.statistics.forget_latencies()
        if self.space is not None:
            self.space.intake.forget()

    def take(self) -> Image | CompressedImage | None:
        """
        Return the newest image, if there is one, and count it and those that it replaced.

        :raises rclpy.impl.implementation_singleton.rclpy_implementation.RCLError: if the
            middleware cannot make a message of what has come.
        """
        subscription, arrivals = self.subscription, self.arrivals
        with arrivals.lock:
            newest = subscription and take_newest(subscription)
            if not newest:
                return None
            msg, info = newest
            self.received_ns = info['received_timestamp']
            missed = self._numbering.count_missed(info, self._count_publishers)
            interval = arrivals.measure(info) if missed is None else None
        if missed is None:
            self._changed()
        if self.space is not None:
            self.space.intake.collect()
        self.statistics.add_received(stamp_ns(msg), missed, interval)
        return msg

    def taken_ns(self, header: Header) -> int:
        """Return when the image that was taken last is from: by its stamp, if it has one."""
        # Not every middleware tells when a message came.
        return time_ns(header.stamp) or self.received_ns or time.time_ns()

    def _count_publishers(self) -> int:
        return self._node.count_publishers(self.topic)

    def look(self) -> None:
        """Note in the statistics if there is an image, however long the network takes."""
        if self.subscription is not None and has_message(self.subscription, self._node.context):
            self.statistics.add_waiting()

    def match_publisher(self) -> None:
        """Subscribe anew if the publishers that are there now need another reliability."""
        wanted = self._wanted_reliability()
        if self.subscription is not None and wanted != self.subscription.qos_profile.reliability:
            self.unsubscribe()
            self._create_subscription(wanted)

    def describe_silence(self) -> str:
        """Return that no images come, why that may be, and what may help."""
        return (f'no image on {self.topic} for {self.statistics.silence_s:.0f} s: '
                + why_silent(self._node, self.subscription, IMAGES))

    def describe_publishers(self) -> str:
        """Return what is wrong with who publishes while images come, '' if nothing is."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        if len(publishers) < 2:
            return ''
        names = sorted(f'{p.node_namespace.rstrip("/")}/{p.node_name}' for p in publishers)
        return (f'{len(names)} publishers on {self.topic}, whose images get mixed: '
                f'{", ".join(names)}; give each a topic of its own, see the parameter cameras')

    def destroy(self) -> None:
        """Take all topics back."""
        self.unsubscribe()
        self.outputs.destroy()
        if self.space is not None:
            self.space.destroy()

    def _create_subscription(self, reliability: ReliabilityPolicy) -> None:
        kinds = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.DURABILITY)
        self.subscription = self._node.create_subscription(
            self._msg_type, self.topic, lambda _: None,  # it is taken from, never called
            QoSProfile(depth=1, reliability=reliability), callback_group=self._group,
            qos_overriding_options=QoSOverridingOptions(kinds))
        self._changed()

    def _wanted_reliability(self) -> ReliabilityPolicy:
        """Return the user's choice or the best that all publishers offer."""
        if self._reliability != MATCHING:
            return ReliabilityPolicy[self._reliability.upper()]
        return offered_reliability(self._node.get_publishers_info_by_topic(self.topic))


def check_cameras(names: Sequence[str]) -> None:
    """Raise ValueError for cameras whose names are the same but for slashes around them."""
    bare = [name.strip('/') for name in names]
    twice = sorted({name for name in bare if bare.count(name) > 1})
    if twice:
        raise ValueError(f'cameras: {", ".join(twice)} named more than once')


def image_topic(node: Node, name: str, transport: str) -> str:
    """
    Return the full name of the topic that images come on, remappings applied.

    As in image_transport, the topic of compressed images is that of the raw ones plus
    '/compressed' (or another name of a transport), and it is enough to remap the latter.

    :raises rclpy.exceptions.InvalidTopicNameException: for a name that is none.
    """
    validate_topic_name(name)  # its message has the name, unlike that of the next line
    base = node.resolve_topic_name(name)
    if transport == 'raw' or base.endswith(f'/{transport}'):
        return base
    remapped = node.resolve_topic_name(f'{name}/{transport}')
    expanded = node.resolve_topic_name(f'{name}/{transport}', only_expand=True)
    return remapped if remapped != expanded else f'{base}/{transport}'


def _declare_reliability(node: Node, topic: str) -> str:
    """
    Declare the QoS override of the reliability; by default the publisher's is matched.

    rclpy would declare it too, but with a fixed default: then it could not be known whether the
    user has chosen.
    """
    name = f'qos_overrides.{topic}.subscription.reliability'
    if not node.has_parameter(name):
        node.declare_parameter(name, MATCHING, ParameterDescriptor(
            description='reliability of the subscription; best_available: as the publisher',
            additional_constraints='one of reliable, best_effort, best_available',
            read_only=True))
    value = node.get_parameter(name).value
    if value not in ('reliable', 'best_effort', MATCHING):
        raise ValueError(f'{name}: {value!r} is not one of reliable, best_effort, {MATCHING}')
    return value
