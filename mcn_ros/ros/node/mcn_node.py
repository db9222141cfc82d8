# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The node: a lifecycle node that runs a network on camera images and publishes its results.

Configure loads the network, activate subscribes. One thread takes the newest images when it is
free, decodes, infers and publishes. Several cameras share the network and take turns.
"""

from collections import defaultdict
from functools import partial
from importlib import import_module
from itertools import count
import time
from typing import Any, Callable, NoReturn, Sequence

from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.task import Future
from std_msgs.msg import Header

from mcn_ros.ros.command_line import check_command_line, QOS, warn_of_unknown_parameters
from mcn_ros.ros.executable import run_process
from mcn_ros.ros.node.arrivals import ArrivalThread
from mcn_ros.ros.node.camera import Camera, check_cameras
from mcn_ros.ros.node.class_filter import (
    check_points_classes, POINTS_CLASSES, select_classes)
from mcn_ros.ros.node.declarations import (
    declare_head_parameters, declare_parameters, descriptions, parse_value, read_parameters)
from mcn_ros.ros.node.diagnostics import Limits, one_line
from mcn_ros.ros.node.diagnostics_updater import DiagnosticsUpdater
from mcn_ros.ros.node.humans import Humans
from mcn_ros.ros.node.inference import InferenceThread, useful_batch
from mcn_ros.ros.node.intake import Intake
from mcn_ros.ros.node.parameters import HEAD_FIELDS
from mcn_ros.ros.node.processing import ImageObserver, ImageProcessor
from mcn_ros.ros.node.resilience import ResilientPredictor
from mcn_ros.ros.node.transforms import Transforms
from mcn_ros.runtime import load_predictor, Predictor, RuntimeConfig
from mcn_ros.runtime.driver import why_no_gpu
from mcn_ros.runtime.int8 import Calibration

NAME = 'mcn'
# Exit code of a process that works again when it is started anew (EX_TEMPFAIL of sysexits.h).
RESTART = 75


class McnNode(LifecycleNode, ImageObserver):
    """
    The lifecycle node; see the README for its topics and parameters.

    Who wants to know what becomes of images overrides the methods of :class:`ImageObserver`.

    :param kwargs: those of a node.
    :raises rclpy.exceptions.ParameterException: if the user has given a wrong parameter value.
    """

    def __init__(self, **kwargs: Any):
        # These come first, as rclpy also destroys a node whose constructor has failed.
        self._predictor = None
        self._cameras: list[Camera] = []
        self._largest_batch = 1
        self._transforms = None
        self._humans = None
        self._thread = None
        self._arrivals = None
        self._updater = None
        # An id does not come again, whatever becomes of the camera that had it.
        self._numbers = defaultdict(partial(count, 1))
        self.ended: Future = Future()  # with an exit code, when the process is to end by itself
        super().__init__(NAME, **kwargs)
        declare_parameters(self)
        warn_of_unknown_parameters(self, lambda name: not _depends_on_weights(name))
        self.parameters = read_parameters(self)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._take_parameters)
        # A bag that is played in a loop sends the time back.
        self._jumps = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1),
                          on_clock_change=True),
            post_callback=self._on_time_jump)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt('configure', self._load, self._unload)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        super().on_activate(state)  # from now on, the publishers publish
        result = self._attempt('activate', self._start, self._stop)
        if result != TransitionCallbackReturn.SUCCESS:
            super().on_deactivate(state)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._unload()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        self._unload()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.on_shutdown(state)

    def destroy_node(self) -> None:
        """End the thread and free the network, whatever the state, then destroy the node."""
        self._stop()
        self._unload()
        super().destroy_node()

    def _attempt(self, what: str, action: Callable[[], None],
                 undo: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            action()
        # All of them: rclpy itself would swallow the exception without a word.
        except Exception as error:
            self.get_logger().error(f'cannot {what}: {one_line(error)}')
            undo()
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _load(self) -> None:
        p = self.parameters
        self._predictor = ResilientPredictor(
            self._load_on, p.device, p.on_device_error, self.get_logger(), on_lost=self._end)
        predictor = self._predictor.predictor
        if p.device == 'auto' and predictor.device == 'cpu':
            self.get_logger().warning(
                f'running on the CPU: {why_no_gpu()}')
        declare_head_parameters(self, predictor.tasks)
        p = self.parameters = read_parameters(self)
        for name, task in predictor.tasks.items():
            select_classes(name, p.of(name).classes, task.classes)
        check_points_classes(p.points_classes, predictor.tasks)
        check_cameras(p.cameras)
        if p.depth_source and p.target_frame:
            self._transforms = Transforms(self, p.target_frame)
        if p.humans:
            self._humans = Humans(self, predictor.tasks)
        self._largest_batch = useful_batch(self._time_batch, max(1, len(p.cameras)))
        for name in p.cameras or ('',):
            self._cameras.append(Camera(self, name, predictor.tasks, p, self._numbers,
                                        self._transforms))
        warn_of_unknown_parameters(self, _depends_on_weights)
        self.get_logger().info(
            f'heads {", ".join(predictor.heads)} on {predictor.device} '
            f'(backend {predictor.backend}, {predictor.precision}: {predictor.why}); images from '
            f'{", ".join(camera.topic for camera in self._cameras)}'
            + ''.join(f'; depth from {camera.space.intake.source}' for camera in self._cameras
                      if camera.space is not None)
            + (f'; at most {self._largest_batch} at once' if p.cameras else ''))

    def _end(self, problem: str) -> None:
        """Let the process end: what it needs is to be started anew."""
        self.get_logger().fatal(f'the process ends with exit code {RESTART}: {problem}')
        self.ended.set_result(RESTART)

    def _load_on(self, device: str) -> Predictor:
        p = self.parameters
        # What was asked for another device may not be there on the CPU.
        runtime = (RuntimeConfig(device) if device == 'cpu' != p.device else
                   RuntimeConfig(device, p.backend, p.precision, _calibration(p.calibration)))
        return load_predictor(p.weights, p.heads, runtime)

    def _time_batch(self, size: int) -> float:
        start = time.perf_counter()
        try:
            self._predictor.predictor.warm_up(count=size)
        # Whatever a driver may raise where several images at once are too many for its memory.
        except Exception as error:
            if size == 1:
                raise
            self.get_logger().warning(f'{size} images at once: {one_line(error)}')
            return float('inf')
        return time.perf_counter() - start

    def _unload(self) -> None:
        for camera in self._cameras:
            camera.destroy()
        self._cameras = []
        if self._transforms is not None:
            self._transforms.destroy()
            self._transforms = None
        if self._humans is not None:
            self._humans.destroy()
            self._humans = None
        if self._predictor is not None:
            self._predictor.free()
            self._predictor = None

    def _start(self) -> None:
        if self._thread is not None and not self._thread.stop():
            raise RuntimeError('the network is still at work on an image from before')
        self._announce()
        intake = Intake(self._cameras, self.context)
        arrivals = self._arrivals = ArrivalThread(self._cameras, self.context)
        for camera in self._cameras:
            camera.subscribe(lambda: (intake.wake(), arrivals.wake()))
        processor = ImageProcessor(self, self, lambda: self.parameters, self._predictor,
                                   self._humans, self._limit_batch)
        self._thread = InferenceThread(intake, processor.process, self._largest_batch)
        self._updater = DiagnosticsUpdater(
            self, self._cameras, self._predictor, self.parameters.weights or 'default',
            self._limits)

    def _limit_batch(self, most: int) -> None:
        self._largest_batch = self._thread.largest_batch = most

    def _stop(self) -> None:
        for camera in self._cameras:
            camera.unsubscribe()
        if self._arrivals is not None:
            self._arrivals.stop()
            self._arrivals = None
        if self._thread is not None:
            if self._thread.stop():
                self._thread = None
            else:
                self.get_logger().error('the network does not end: its last image is left alone')
        if self._updater is not None:
            self._updater.destroy()
            self._updater = None
            if self._humans is not None:
                self._humans.forget()

    def _limits(self) -> Limits:
        p = self.parameters
        return Limits(p.diagnostics_max_latency, p.diagnostics_min_rate)

    def _announce(self) -> None:
        header = Header(stamp=self.get_clock().now().to_msg())
        for camera in self._cameras:
            camera.outputs.announce(header, self.parameters)

    def _check_parameters(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        tasks = self._predictor.predictor.tasks if self._predictor is not None else {}
        try:
            for parameter in parameters:
                head, _, key = parameter.name.rpartition('.')
                if key == 'classes' and head in tasks:
                    select_classes(head, parse_value(parameter), tasks[head].classes)
                if parameter.name == POINTS_CLASSES:
                    check_points_classes(parse_value(parameter), tasks)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _take_parameters(self, parameters: Sequence[Parameter]) -> None:
        # The thread sees the old snapshot or the new one, never half of each.
        self.parameters = read_parameters(self)
        self._announce()

    def _on_time_jump(self, jump: Any) -> None:
        for camera in self._cameras:
            camera.forget_times()
        if self._transforms is not None:
            self._transforms.forget()


def _calibration(source: str) -> Calibration | None:
    """Return the images of a source; None without one."""
    if not source:
        return None
    # What reads bags and videos takes a while to import, and hardly a node needs it.
    return import_module('mcn_ros.data.calibration_images').CalibrationImages(source)


def _depends_on_weights(name: str) -> bool:
    """Return whether a parameter is one that there is with a camera or a head."""
    return name.startswith(QOS) or name.rpartition('.')[2] in HEAD_FIELDS


def run(kind: type[McnNode]) -> int:
    """Run a node until the process is asked to end; return the exit code of the process."""
    node = kind()
    try:
        if node.parameters.autostart:
            for transition in (node.trigger_configure, node.trigger_activate):
                if transition() != TransitionCallbackReturn.SUCCESS:
                    return 1
        # An executor of its own: what was going on in it when it was interrupted ends with it.
        rclpy.spin_until_future_complete(node, node.ended, SingleThreadedExecutor())
        return node.ended.result() if node.ended.done() else 0
    finally:
        node.destroy_node()


def main(args: Sequence[str] | None = None, kind: type[McnNode] = McnNode) -> NoReturn:
    """Run the executable ``mcn_node``; it ends the process."""
    check_command_line('mcn_node', __doc__, descriptions(), args)
    run_process(NAME, lambda: run(kind), args)


if __name__ == '__main__':
    main()
