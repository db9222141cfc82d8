# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The node, for the fuzz test: it also tells of every image that it drops with an error, and why.

``~/drops`` has one JSON object per image. Its camera is the only one.
"""

import json
from typing import Any

from rclpy.qos import QoSProfile
from std_msgs.msg import Header, String

from mcn_ros.ros.node.camera import Camera
from mcn_ros.ros.node.diagnostics import one_line
from mcn_ros.ros.node.mcn_node import main, McnNode

DEPTH = 100  # reports that wait for who reads them
SHOWN = 100  # characters of a frame_id that are told


class FuzzedNode(McnNode):
    """
    The node, unchanged but for its reports.

    :param kwargs: those of a node.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._drops = self.create_publisher(String, '~/drops', QoSProfile(depth=DEPTH))

    def on_dropped(self, camera: Camera, header: Header | None, cause: str,
                   error: Exception) -> None:
        """Tell of an image."""
        frame_id = header.frame_id[:SHOWN] if header else ''
        self._drops.publish(String(data=json.dumps(
            {'frame_id': frame_id, 'cause': cause, 'error': one_line(error)})))


if __name__ == '__main__':
    main(kind=FuzzedNode)
