# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The timer of the node: once per second it follows publishers and publishes /diagnostics."""

import os
from typing import Callable, Sequence

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from mcn_ros.ros.node.camera import Camera
from mcn_ros.ros.node.diagnostics import (
    Circumstances, Limits, one_line, REPEAT_S, SILENCE_S)
from mcn_ros.ros.node.resilience import ResilientPredictor

PERIOD_S = 1.0


class DiagnosticsUpdater:
    """
    A timer and the publisher of the diagnostics.

    :param node: creates both.
    :param cameras: one status each.
    :param predictor: whose device may fail.
    :param weights: name of the weights, for the statuses.
    :param limits: returns the limits of each camera now.
    """

    def __init__(self, node: Node, cameras: Sequence[Camera], predictor: ResilientPredictor,
                 weights: str, limits: Callable[[], Limits]):
        self._node = node
        self._cameras = cameras
        self._predictor = predictor
        self._weights = weights
        self._limits = limits
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # Once per second whatever happens to ROS time.
        self._timer = node.create_timer(PERIOD_S, self._update, clock=Clock(
            clock_type=ClockType.STEADY_TIME))

    def destroy(self) -> None:
        """Destroy timer and publisher."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)

    def _update(self) -> None:
        try:
            for camera in self._cameras:
                camera.match_publisher()
                camera.look()
                if camera.space is not None:
                    camera.space.follow()
            self._report()
        # Whatever the middleware may raise: the executor would end the process.
        except Exception as error:
            self._node.get_logger().error(f'cannot watch the cameras: {one_line(error)}',
                                          throttle_duration_sec=REPEAT_S)

    def _report(self) -> None:
        """Publish the diagnostics, and log why cameras are silent."""
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        predictor, problem = self._predictor.predictor, self._predictor.problem
        broken = '' if self._predictor.works else problem
        details = {'device': predictor.device, 'backend': predictor.backend,
                   'heads': ', '.join(predictor.heads), 'weights': self._weights,
                   'process id': str(os.getpid())}
        node = self._node.get_fully_qualified_name().lstrip('/')
        silences = []
        for camera in self._cameras:
            silent = camera.statistics.silence_s > SILENCE_S
            cause = camera.describe_silence() if silent else ''
            silences += [cause] * silent
            array.status.append(camera.statistics.report(
                f'{node}: {camera.name or "image"}', camera.topic, details,
                Circumstances(broken, cause, problem or camera.describe_publishers()),
                self._limits()))
            if camera.space is not None:
                status, silence = camera.space.report(f'{node}: {camera.name or "image"} in space')
                array.status.append(status)
                silences += [silence] * bool(silence)
        self._publisher.publish(array)
        if silences:
            self._node.get_logger().warning('; '.join(silences), throttle_duration_sec=REPEAT_S)
