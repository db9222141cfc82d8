# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The node with a stopwatch, for the benchmark: it tells of every frame when it was where.

``~/times`` has one JSON object per frame; times in milliseconds count from the stamp of its image.
"""

import json
import os
import time
from typing import Any

from rclpy.qos import QoSProfile
from std_msgs.msg import Header, String

from mcn_ros.data.messages import time_ns
from mcn_ros.ros.node.camera import Camera
from mcn_ros.ros.node.mcn_node import main, McnNode

DEPTH = 1000  # reports that wait for who reads them


class TimedNode(McnNode):
    """
    The node, unchanged but for its reports, which come after the results.

    :param kwargs: those of a node.
    """

    def __init__(self, **kwargs: Any):
        self._predictor_ms, self._batch = 0.0, 0
        super().__init__(**kwargs)
        self._times = self.create_publisher(String, '~/times', QoSProfile(depth=DEPTH))

    def on_predicted(self, num_images: int, seconds: float) -> None:
        """Keep the time of the batch for its images."""
        self._predictor_ms, self._batch = 1000 * seconds, num_images

    def on_published(self, camera: Camera, header: Header) -> None:
        """Tell of an image."""
        now, stamp = self.get_clock().now().nanoseconds, time_ns(header.stamp)
        arrived, published = ((then - stamp) / 1e6 for then in (camera.received_ns, now))
        self._times.publish(String(data=json.dumps({
            'camera': camera.name, 'stamp_ns': stamp, 'arrived_ms': arrived,
            'predictor_ms': self._predictor_ms, 'batch': self._batch, 'published_ms': published,
            'cpu_s': time.process_time(), 'pid': os.getpid()})))


if __name__ == '__main__':
    main(kind=TimedNode)
