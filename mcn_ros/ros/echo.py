# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A node that does nothing with an image but tell when it came: what any node in Python waits for.

It listens to ``echo/image`` as the node does to a camera's topic, and answers on ``echo/times``,
in milliseconds from the stamp of the image.
"""

import json
import sys
from typing import Sequence

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import Image
from std_msgs.msg import String

from mcn_ros.ros.executable import run_node


class Echo(Node):
    """Answers images."""

    def __init__(self):
        super().__init__('echo')
        self._times = self.create_publisher(String, 'echo/times', QoSProfile(depth=10))
        self.create_subscription(Image, 'echo/image', self._receive, QoSProfile(
            depth=1, reliability=ReliabilityPolicy.RELIABLE))

    def _receive(self, msg: Image) -> None:
        stamp = Time.from_msg(msg.header.stamp)
        age = (self.get_clock().now() - stamp).nanoseconds / 1e6
        self._times.publish(String(data=json.dumps(
            {'stamp_ns': stamp.nanoseconds, 'arrived_ms': age})))


def main(args: Sequence[str] | None = None) -> int:
    """Run the echo until the process is asked to end."""
    return run_node('echo', Echo, rclpy.spin, args)


if __name__ == '__main__':
    sys.exit(main())
