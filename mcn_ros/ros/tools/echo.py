# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A node that does nothing with an image but tell when it came: what any node waits for.

It listens to ``echo/image`` as the node does to a camera's topic, and answers on ``echo/times``,
in milliseconds from the stamp of the image to its being there, before a message is made of it.
"""

import json
import sys
from typing import Any, Mapping, Sequence

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String

from mcn_ros.data.messages import stamp_ns
from mcn_ros.ros.executable import run_node


class Echo(Node):
    """Answers images."""

    def __init__(self):
        super().__init__('echo')
        self._times = self.create_publisher(String, 'echo/times', QoSProfile(depth=10))
        self.create_subscription(Image, 'echo/image', self._receive, QoSProfile(
            depth=1, reliability=ReliabilityPolicy.RELIABLE))

    def _receive(self, msg: Image, info: Mapping[str, Any]) -> None:
        stamp = stamp_ns(msg)
        self._times.publish(String(data=json.dumps(
            {'stamp_ns': stamp, 'arrived_ms': (info['received_timestamp'] - stamp) / 1e6})))


def main(args: Sequence[str] | None = None) -> int:
    """Run the echo until the process is asked to end."""
    return run_node('echo', Echo, rclpy.spin, args)


if __name__ == '__main__':
    sys.exit(main())
