# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What heads a node has, and where their results are, for who listens to it."""

from typing import Callable, Mapping

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from mcn_ros.data.results import HeadInfo, HEADS, heads_from_json

NODE = 'mcn/'  # where its topics are
SETTLE_S = 0.5  # for the publishers of the node to find new subscriptions
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def meet_heads(listener: Node, prefix: str,
               met: Callable[[Mapping[str, HeadInfo]], None]) -> None:
    """
    Wait in the background for a node to tell of its heads.

    :param listener: who waits.
    :param prefix: of the topics of the node, such as 'mcn/' or 'mcn/camera/'.
    :param met: called with head -> what there is to know, once.
    """
    known: list[str] = []

    def receive(msg: String) -> None:
        if not known:  # it is told again with every change of a parameter
            known.append(msg.data)
            met(heads_from_json(msg.data))

    listener.create_subscription(String, prefix + HEADS, receive, LATCHED)
