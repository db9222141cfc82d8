# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the node survives while it runs: devices that fail, a network that hangs, odd cameras."""

import signal
import subprocess
import sys
import threading

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from mcn_ros.ros.node import diagnostics as diagnostics_module
from mcn_ros.ros.node import inference, resilience
from mcn_ros.ros.node.conversions import rgb_to_image

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
STALE = DiagnosticStatus.STALE


class Robot:
    """A world with a node that runs, and what it tells."""

    def __init__(self, world, **parameters):
        self.world = world
        self.detections = world.peer.listen(Detection2DArray, 'mcn/detections')
        self.diagnostics = world.peer.listen(DiagnosticArray, '/diagnostics')
        self.node = world.start(**parameters)
        world.connect()

    def ask(self, stamp):
        """Send an image and wait for its result."""
        self.world.send(stamp)
        self.world.wait(lambda: self.world.stamps(self.detections)[-1:] == [stamp],
                        f'the result of image {stamp}')

    def wait_for_status(self, level, text, busy=None):
        """
        Wait for a status.

        :param busy: done again and again meanwhile. Images with a stamp of 0 have no latency, and
            so do not disagree with the clock.
        """
        def told():
            if busy is not None:
                busy()
            status = self.diagnostics[-1].status[0] if self.diagnostics else None
            return status is not None and status.level == level and text in status.message

        self.world.wait(told, f'{level} {text!r}')


@pytest.fixture
def quick(monkeypatch):
    """Wait less than a real device needs."""
    monkeypatch.setattr(resilience, 'FIRST_WAIT_S', 0.05)
    monkeypatch.setattr(resilience, 'LONGEST_WAIT_S', 0.1)


def test_a_device_that_fails_is_told_and_used_again_when_it_works(world, quick, capfd):
    robot = Robot(world, device='cuda:0')
    robot.ask(1)
    world.broken.add('cuda:0')
    world.send(2)
    world.wait(lambda: world.counts()['failed'] == 1)
    robot.wait_for_status(ERROR, 'cuda:0 fails: RuntimeError: CUDA error: device lost')
    message = robot.diagnostics[-1].status[0].message
    assert 'on_device_error' in message and 'For debugging' not in message
    assert 'cuda:0 fails: RuntimeError: CUDA error' in capfd.readouterr().err
    world.broken.clear()
    world.spin(0.2)
    robot.ask(3)
    robot.wait_for_status(OK, 'frames/s', lambda: world.send(0))
    assert world.stamps(robot.detections)[:2] == [1, 3]


def test_the_node_goes_on_with_the_cpu_and_returns(world, quick):
    robot = Robot(world, device='cuda:0', backend='cuda_graph', on_device_error='cpu')
    robot.ask(1)
    world.broken.add('cuda:0')
    robot.ask(2)
    assert world.predictor.device == 'cpu'
    robot.wait_for_status(WARN, 'on the CPU until it works', lambda: world.send(3))
    values = {value.key: value.value for value in robot.diagnostics[-1].status[0].values}
    assert values['device'] == 'cpu' and values['dropped: inference failed'] == '0'
    world.broken.clear()
    world.spin(0.2)
    robot.ask(5)
    assert world.predictor.device == 'cuda:0'
    robot.wait_for_status(OK, 'frames/s', lambda: world.send(0))


def test_a_network_that_hangs_is_told_and_cannot_hold_the_node(world, monkeypatch, capfd):
    monkeypatch.setattr(inference.InferenceThread.stop, '__defaults__', (0.1,))
    monkeypatch.setattr(diagnostics_module, 'STUCK_S', 0.5)
    robot = Robot(world)
    world.predictor.permits = threading.Semaphore(0)
    robot.wait_for_status(ERROR, 'or hangs', lambda: world.send(1))
    assert robot.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert 'the network does not end' in capfd.readouterr().err
    assert robot.node.trigger_activate() == TransitionCallbackReturn.FAILURE
    assert 'still at work' in capfd.readouterr().err
    world.predictor.permits.release(1000)
    world.wait(lambda: robot.node.trigger_activate() == TransitionCallbackReturn.SUCCESS)
    world.connect()
    robot.ask(9)


def test_a_camera_whose_image_waits_is_not_called_silent(world, monkeypatch):
    """For as long as the network is at work, nobody takes what the camera sends."""
    monkeypatch.setattr(diagnostics_module, 'SILENCE_S', 2.0)
    monkeypatch.setattr(diagnostics_module, 'STUCK_S', 4.0)
    robot = Robot(world)
    world.predictor.permits = threading.Semaphore(0)
    world.send(1)
    world.wait(lambda: world.counts()['received'] == 1, 'the first image')
    world.deliver(2)
    first = len(robot.diagnostics)
    robot.wait_for_status(ERROR, 'no result for', lambda: None)
    assert STALE not in {msg.status[0].level for msg in robot.diagnostics[first:]}


def test_a_camera_changes_while_it_runs(world):
    """Size, encoding and quality of service; it also goes away and comes back."""
    robot = Robot(world)
    for stamp, (size, encoding) in enumerate([
            ((48, 64), 'bgr8'), ((96, 31), 'rgb8'), ((1, 1), 'bgr8'), ((48, 64), 'rgb8')], 1):
        header = Header(frame_id=f'camera_{stamp}')
        header.stamp.sec = stamp
        picture = np.full((*size, 3), 9, np.uint8)
        world.peer.images.publish(rgb_to_image(picture, header, encoding))
        world.wait(lambda: world.stamps(robot.detections)[-1:] == [stamp], f'result {stamp}')
        assert robot.detections[-1].header == header
        np.testing.assert_array_equal(world.predictor.batches[-1][0], picture)
    for stamp, reliability in enumerate(['BEST_EFFORT', 'RELIABLE', 'BEST_EFFORT'], 10):
        world.peer.destroy_publisher(world.peer.images)
        world.peer.images = world.peer.create_publisher(
            Image, 'image', QoSProfile(depth=1, reliability=ReliabilityPolicy[reliability]))

        def answered():
            world.send(stamp)  # until the subscription has followed
            world.spin(0.1)
            return world.stamps(robot.detections)[-1:] == [stamp]

        world.wait(answered, f'a result of the camera that is {reliability}')


def test_two_cameras_on_one_topic_are_told(world):
    robot = Robot(world)
    other = world.peer.create_publisher(Image, 'image', 1)
    world.connect(other)
    robot.wait_for_status(WARN, '2 publishers on /image', lambda: world.send(1, publisher=other))
    assert '/peer, /peer' in robot.diagnostics[-1].status[0].message
    world.peer.destroy_publisher(other)
    robot.wait_for_status(OK, 'frames/s', lambda: world.send(0))


def test_what_the_middleware_raises_does_not_end_the_node(world, capfd):
    robot = Robot(world)

    def fail():
        raise RuntimeError('no graph')

    robot.node._cameras[0].match_publisher = fail
    world.spin(1.5)
    assert 'cannot watch the cameras: RuntimeError: no graph' in capfd.readouterr().err
    robot.ask(3)


def test_the_largest_image_is_a_parameter(world):
    robot = Robot(world, max_pixels=48 * 64)
    robot.ask(1)
    world.send(2, np.zeros((49, 64, 3), np.uint8))
    world.wait(lambda: world.counts()['undecodable'] == 1)
    robot.wait_for_status(ERROR, 'more than max_pixels = 3072')
    robot.ask(3)


@pytest.mark.parametrize('frame_id, sec, nanosec', [
    ('x' * 256, 1, 0), ('camera', -1, 0), ('camera', 1, 10**9)])
def test_headers_that_results_cannot_have_are_refused(world, frame_id, sec, nanosec):
    robot = Robot(world)
    msg = rgb_to_image(np.zeros((48, 64, 3), np.uint8), Header(frame_id=frame_id))
    msg.header.stamp.sec, msg.header.stamp.nanosec = sec, nanosec
    world.peer.images.publish(msg)
    world.wait(lambda: world.counts()['undecodable'] == 1)
    robot.ask(3)
    assert world.stamps(robot.detections) == [3]


# Subscribes with a queue of its own, reliably, and is stopped before it has read anything.
READER = """
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image
with rclpy.init():
    node = Node('reader')
    node.create_subscription(Image, 'mcn/overlay', print, 10)
    rclpy.spin(node)
"""


def test_a_subscriber_that_never_reads_holds_nobody_up(world):
    robot = Robot(world)
    reader = subprocess.Popen([sys.executable, '-c', READER])
    try:
        world.wait(lambda: robot.node.count_subscribers('/mcn/overlay'), 'the reader', 60)
        reader.send_signal(signal.SIGSTOP)
        for stamp in range(1, 31):
            world.send(stamp, np.full((480, 640, 3), 9, np.uint8))
            world.wait(lambda: world.stamps(robot.detections)[-1:] == [stamp], f'result {stamp}')
    finally:
        reader.kill()
        reader.wait()
    robot.ask(99)
