# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The camera of the fuzz test of depth: good images, each beside hostile depth, then beside good one.

What is known in the image must be the same in any case, and after each damage there must be
results in space again.
"""

from copy import deepcopy
import sys
from typing import Any, Callable, Sequence

from mcn_ros_msgs.msg import HumanPose3DArray
import numpy as np
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import MarkerArray

from mcn_ros.data.messages import time_ns
from mcn_ros.ros.executable import run_node
from mcn_ros.structures import Structure
from mcn_ros.trials.fuzzer import DEPTH, Fuzzer, NAME, SIZE
from mcn_ros.trials.hostile import Fate
from mcn_ros.trials.hostile_depth import depth_messages, hostile_depth, on_the_wire

TOPICS = {'CameraInfo': 'depth_info', 'Image': 'depth', 'PointCloud2': 'points'}
SPATIAL = {'detections_3d': Detection3DArray, 'poses_3d': HumanPose3DArray,
           'markers': MarkerArray, 'semantic/points': PointCloud2}
ATTEMPTS = 10  # good images until there are results in space: the node looks for depth each second
SPACE_S = 3.0  # for results in space, after those in the image
WIRE = 0.25  # share of the messages whose damage is on the wire


class DepthFuzzer(Fuzzer):
    """Sends, and checks what comes back in the image and in space."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._source = self.declare_parameter('source', 'image').value
        self._beside = {
            type(message).__name__: (self.create_publisher(
                type(message), TOPICS[type(message).__name__], QoSProfile(depth=10)), message)
            for message in depth_messages(self._source, SIZE, Header())}
        self._spatial: set[int] = set()  # stamps that there are results in space of
        for topic, kind in SPATIAL.items():
            self.create_subscription(kind, f'mcn/{topic}', self._take_spatial, QoSProfile(
                depth=DEPTH))

    def _take_spatial(self, msg: Any) -> None:
        header = msg.markers[0].header if isinstance(msg, MarkerArray) else msg.header
        self._spatial.add(time_ns(header.stamp))

    def _send_beside(self, header: Header, but: str = '') -> None:
        """Send good depth."""
        for name, (publisher, message) in self._beside.items():
            if name != but:
                message.header = header
                publisher.publish(message)

    def _ask_good(self, frame_id: str) -> dict[str, Structure]:
        for _ in range(ATTEMPTS):
            answers = super()._ask_good(frame_id)
            stamp = time_ns(self._awaited.stamp)
            if self._comes(lambda: stamp in self._spatial, SPACE_S):
                return answers
        raise TimeoutError(f'no results in space of {frame_id}')

    def _provoke(self, index: int) -> tuple[str, Callable[[], Fate]]:
        header = self._new_header(f'hostile_{index}')
        rng = np.random.default_rng([self._seed, index])
        name = list(self._beside)[rng.integers(len(self._beside))]
        publisher, message = self._beside[name]
        message.header = header
        if rng.random() < WIRE:
            kind, damaged = f'{name} on the wire', on_the_wire(message, self._seed, index)
        else:
            kind, damaged = name, hostile_depth(deepcopy(message), self._seed, index)
        self._send_beside(header, but=name)
        publisher.publish(damaged)
        self._compare(self._send_good(header), f'beside {kind!r} ({index})')
        stamp = time_ns(header.stamp)
        return kind, lambda: Fate.ANSWERED if stamp in self._spatial else Fate.REFUSED


def main(args: Sequence[str] | None = None) -> int:
    """Run the fuzzer until everything has been sent."""
    return run_node(NAME, DepthFuzzer, DepthFuzzer.run, args)


if __name__ == '__main__':
    sys.exit(main())
