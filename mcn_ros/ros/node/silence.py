# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Why no messages come on a topic, in words that say what may help."""

from dataclasses import dataclass
import os

from rclpy.node import Node
from rclpy.qos import qos_check_compatible, QoSCompatibility, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.utilities import get_rmw_implementation_identifier

from mcn_ros.ros.transport import TRANSPORT_CHOICES

FAST_DDS = ('rmw_fastrtps_cpp', 'rmw_fastrtps_dynamic_cpp')
DISCOVERY = 'ROS_AUTOMATIC_DISCOVERY_RANGE'


@dataclass(frozen=True)
class Input:
    """
    What a node listens to.

    :param name: of the topic before it is remapped, without that of the camera.
    :param messages: what comes on it, in the plural.
    :param types: of the messages that may be chosen.
    :param parameter: that chooses one.
    """

    name: str
    messages: str
    types: tuple[type, ...]
    parameter: str


def why_silent(node: Node, subscription: Subscription, expected: Input) -> str:
    """Return who publishes on the topic of a subscription, and why that may not come."""
    publishers = node.get_publishers_info_by_topic(subscription.topic_name)
    text = f'{len(publishers)} publishers'
    wanted = _type_name(subscription.msg_type)
    kinds = {_type_name(kind) for kind in expected.types}
    wrong = {publisher.topic_type for publisher in publishers} - {wanted}
    if wrong:
        text += f', of type {", ".join(sorted(wrong))}, where {wanted} is expected'
        return text + (f'; see the parameter {expected.parameter}' if wrong & kinds else '')
    if not publishers and os.environ.get(DISCOVERY) == 'OFF':
        return f'{text}: {DISCOVERY}=OFF, so that other processes are not found'
    if not publishers:
        return (f'{text}; {expected.messages} are published on, and {expected.name} may be '
                f'remapped to: {", ".join(_topics(node, kinds)) or "none"}')
    for publisher in publishers:
        compatible, reason = qos_check_compatible(publisher.qos_profile, subscription.qos_profile)
        if compatible == QoSCompatibility.ERROR:
            return f'{text}, {_incompatibility(publisher.qos_profile, reason)}'
    if any(p.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for p in publishers):
        return f'{text}, with best effort: {_transport_advice()}'
    return f'{text}, which send nothing'


def _type_name(kind: type) -> str:
    return f'sensor_msgs/msg/{kind.__name__}'


def _topics(node: Node, kinds: set[str]) -> list[str]:
    """Return the topics that others publish such messages on."""
    prefix = node.get_fully_qualified_name() + '/'
    return [name for name, types in node.get_topic_names_and_types()
            if set(types) & kinds and not name.startswith(prefix) and node.count_publishers(name)]


def _incompatibility(offered: QoSProfile, reason: str) -> str:
    if offered.reliability == ReliabilityPolicy.BEST_EFFORT:
        return 'with best effort, where reliable is asked for: see qos_overrides in mcn.yaml'
    return ' '.join(reason.split())


def _transport_advice() -> str:
    """Return what to do about large images that are lost on their way."""
    if get_rmw_implementation_identifier() not in FAST_DDS:
        return 'large images may need another transport'
    if any(os.environ.get(name) for name in TRANSPORT_CHOICES):
        return ('images of more than 0.5 MB are lost unless the camera has this transport, too: '
                + ', '.join(f'{name}={os.environ[name]}' for name in TRANSPORT_CHOICES
                            if os.environ.get(name)))
    return ('images of more than 0.5 MB are lost with this transport: set '
            'FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA for the camera and for this node, or publish '
            'with reliable')
