# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The heads of a node and the topics of their results, for its listeners."""

from typing import Callable, Mapping

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from mcn_ros.data.results import HeadInfo, heads_from_json, HEADS_TOPIC

NODE = 'mcn/'  # where its topics are
SETTLE_S = 0.5  # for the publishers of the node to find new subscriptions
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def await_heads(listener: Node, prefix: str,
                callback: Callable[[Mapping[str, HeadInfo]], None]) -> None:
    """
    Wait in the background until a node publishes its heads.

    :param listener: the node that waits.
    :param prefix: of the topics of the node, such as 'mcn/' or 'mcn/camera/'.
    :param callback: is given head -> description, once.
    """
    received: list[str] = []

    def receive(msg: String) -> None:
        if not received:  # it is published again with every change of a parameter
            received.append(msg.data)
            callback(heads_from_json(msg.data))

    listener.create_subscription(String, prefix + HEADS_TOPIC, receive, LATCHED)
