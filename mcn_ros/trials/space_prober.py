# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The depth camera of the benchmark: a prober that sends depth beside each image.

In the phases that have the name of the parameter ``with_depth``, somebody listens to objects and
people in space, so the node takes depth; in the others nobody does.
"""

from dataclasses import asdict
import sys
from typing import Any, Sequence

from mcn_ros_msgs.msg import HumanPose3DArray
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from mcn_ros.ros.executable import run_node
from mcn_ros.trials.hostile_depth import depth_messages
from mcn_ros.trials.prober import NAME, Phase, PhaseRecord, Prober

RESULTS = {'mcn/detections_3d': Detection3DArray, 'mcn/poses_3d': HumanPose3DArray}


class SpaceProber(Prober):
    """
    Sends images and depth, and listens to the answers.

    :ivar in_space: number of messages with results in space.
    """

    def __init__(self):
        super().__init__()
        self._with_depth = self.declare_parameter('with_depth', '').value
        info, depth = depth_messages('image', self._phases[0].size, Header())
        self._depth = self.create_publisher(Image, 'depth', QoSProfile(depth=10))
        self._beside = [(self.create_publisher(type(info), 'depth_info', QoSProfile(depth=10)),
                         info), (self._depth, depth)]
        self._spatial: list[Subscription] = []
        self.in_space = 0

    def _run_phase(self, phase: Phase, images: Sequence[Image]) -> PhaseRecord:
        wanted = phase.name == self._with_depth
        if wanted and not self._spatial:
            self._spatial = [
                self.create_subscription(kind, topic, self._count, QoSProfile(depth=10), raw=True)
                for topic, kind in RESULTS.items()]
        elif not wanted:
            for subscription in self._spatial:
                self.destroy_subscription(subscription)
            self._spatial = []
        self._wait(lambda: bool(self._depth.get_subscription_count()) == wanted,
                   'the node, which is to look for depth')
        return super()._run_phase(phase, images)

    def _count(self, msg: Any) -> None:
        self.in_space += 1
        self._hear(msg)

    def _send(self, publisher: Any, image: Image) -> int:
        stamp = super()._send(publisher, image)
        for beside, message in self._beside:
            message.header = image.header
            beside.publish(message)
        return stamp


def main(args: Sequence[str] | None = None) -> int:
    """Run the prober until everything has been sent."""
    def run(prober: SpaceProber) -> dict[str, Any]:
        return {'phases': [asdict(record) for record in prober.run()],
                'in_space': prober.in_space}

    return run_node(NAME, SpaceProber, run, args)


if __name__ == '__main__':
    sys.exit(main())
