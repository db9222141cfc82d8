# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node: its states, its thread, what it survives, and the process it runs in."""

from array import array
import re
import signal
import subprocess
import sys
import threading

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from mcn_ros_msgs.msg import HumanPose2DArray
import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.ros.node.conversions import rgb_to_image
from mcn_ros.weights_file import save_model

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
BLANK = np.zeros((48, 64, 3), np.uint8)
TASKS = {'detection': {'classes': ['person', 'car']}, 'pose': {}}


def state(node):
    return node._state_machine.current_state[1]


def test_its_start_does_not_wait_for_what_it_hardly_ever_needs():
    code = ('import sys, mcn_ros.ros.node.mcn_node; '
            'print([name for name in ("rosbags", "mcn_ros.data.bags", "mcn_ros.data.synthetic", '
            '"mcn_ros.runtime.teachers") if name in sys.modules])')
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                            timeout=120)
    assert result.stdout == '[]\n', result.stderr


def test_lifecycle(world):
    node = world.make()
    assert state(node) == 'unconfigured'
    world.wait_for_topics()
    assert node.trigger_configure() == SUCCESS and world.predictor.warm_ups == [1]
    world.wait(lambda: '/mcn/detections' in world.topics(), 'the topics')
    world.spin(0.2)
    assert world.peer.images.get_subscription_count() == 0
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    for round_ in range(2):
        assert node.trigger_activate() == SUCCESS
        world.connect()
        world.send(round_)
        world.wait(lambda: len(detections) == round_ + 1, 'detections')
        assert node.trigger_deactivate() == SUCCESS
        world.wait(lambda: not world.peer.images.get_subscription_count(), 'the unsubscription')
    first = world.predictor
    assert node.trigger_cleanup() == SUCCESS
    assert state(node) == 'unconfigured'
    world.wait_for_topics()
    assert node._predictor is None
    assert node.trigger_configure() == SUCCESS and world.predictor is not first
    assert node.trigger_activate() == SUCCESS
    world.connect()
    world.send(9)
    world.wait(lambda: world.stamps(detections) == [0, 1, 9], 'detections after cleanup')
    assert node.trigger_shutdown() == SUCCESS
    assert state(node) == 'finalized'
    world.wait_for_topics()


@pytest.mark.parametrize('parameters, error', [
    ({'weights': 'nowhere'}, None), ({'heads': ['depth']}, None),
    ({'device': 'cuda:99'}, None), ({'precision': 'int4'}, None),
    ({'detection__classes': ['dog']}, None), ({}, 'CUDA error:\n out of memory'),
    ({'cameras': ['a b']}, None),
    ({'qos_overrides./image.subscription.reliability': 'perfect'}, None)])
def test_what_is_wrong_fails_configure_with_one_line(world, capfd, parameters, error):
    world.load_error = error and RuntimeError(error)
    if set(parameters) & {'weights', 'device', 'precision'}:
        world.monkeypatch.undo()  # these are checked by the real one
    node = world.make(**parameters)
    capfd.readouterr()
    assert node.trigger_configure() == FAILURE
    assert state(node) == 'unconfigured'
    world.wait_for_topics()
    errors = [line for line in capfd.readouterr().err.splitlines() if 'WARN' not in line]
    assert len(errors) == 1 and re.search(r'ERROR.*cannot configure: \w+', errors[0]), errors
    for value in parameters.values():
        assert (value if isinstance(value, str) else value[0]) in errors[0]


def test_the_newest_frame_wins(world):
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    world.start()
    world.predictor.permits = threading.Semaphore(0)
    world.connect()
    world.send(1)
    world.wait(lambda: world.counts()['received'] == 1, 'the first image')
    for index in range(2, 6):
        world.deliver(index)
    assert world.counts()['received'] == 1  # what waits costs the node nothing
    world.predictor.permits.release(10)
    world.wait(lambda: len(detections) == 2, 'two results')
    world.spin(0.2)
    assert world.stamps(detections) == [1, 5]
    assert (world.counts()['superseded'], world.counts()['received']) == (3, 5)


def test_the_executor_is_free_while_the_network_runs(world):
    node = world.start()
    world.predictor.permits = threading.Semaphore(0)
    world.connect()
    world.send(1)
    world.wait(lambda: world.counts()['received'] == 1)
    result = node.set_parameters([Parameter('detection.score_threshold', value=0.7)])[0]
    assert result.successful and not world.predictor.batches


def test_the_node_survives_bad_images(world, capfd):
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    diagnostics = world.peer.listen(DiagnosticArray, '/diagnostics')
    world.start()
    world.connect()
    odd = Image(height=4, width=4, encoding='32FC1', step=16)
    odd.data = array('B', bytes(64))
    for index, send in enumerate([lambda: world.send_broken(1), lambda: world.send_broken(2),
                                  lambda: world.peer.images.publish(odd),
                                  lambda: world.peer.images.publish(Image())]):
        send()
        world.wait(lambda: world.counts()['undecodable'] > index)
    world.wait(lambda: diagnostics and diagnostics[-1].status[0].level == DiagnosticStatus.ERROR,
               'an error in the diagnostics')
    values = {value.key: value.value for value in diagnostics[-1].status[0].values}
    assert values['dropped: image not decodable'] == '4' and values['last error'] != 'none'
    errors = [line for line in capfd.readouterr().err.splitlines() if 'ERROR' in line]
    assert len(errors) == 1 and 'bgr8 image of 64x48' in errors[0]
    world.send(5)
    world.wait(lambda: world.stamps(detections) == [5], 'the result of a good image')


def test_the_node_survives_a_failing_network(world, capfd):
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    world.start()
    world.connect()
    world.predictor.error = RuntimeError('CUDA out of memory.\nTried to allocate 2 GiB')
    world.send(1)
    world.wait(lambda: world.counts()['failed'])
    world.predictor.error = None
    world.send(2)
    world.wait(lambda: world.stamps(detections) == [2], 'the result of the next image')
    assert 'CUDA out of memory. Tried to allocate' in capfd.readouterr().err


def test_time_may_jump_back(world):
    clock = world.peer.create_publisher(Clock, '/clock', 10)
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    node = world.start(use_sim_time=True)
    world.connect()
    statistics = node._cameras[0].statistics

    def set_time(second):
        world.wait(clock.get_subscription_count)
        clock.publish(Clock(clock=Time(sec=second)))
        world.wait(lambda: node.get_clock().now().nanoseconds == second * 10**9, 'the time')

    set_time(100)
    world.send(99)
    world.wait(lambda: world.counts()['processed'] == 1)
    assert statistics.latencies_ms().tolist() == [1000]
    set_time(10)
    assert statistics.latencies_ms().size == 0
    world.send(9)
    world.wait(lambda: world.counts()['processed'] == 2)
    assert statistics.latencies_ms().tolist() == [1000] and world.stamps(detections) == [99, 9]


def test_diagnostics(world):
    diagnostics = world.peer.listen(DiagnosticArray, '/diagnostics')
    detections = world.peer.listen(Detection2DArray, 'robot/mcn/detections')
    node = world.start(['-r', '__ns:=/robot', '-r', 'image:=/image'],
                       **{'diagnostics.max_latency': 0.0})  # however slow this machine is
    world.connect()
    now = node.get_clock().now().to_msg()
    msg = rgb_to_image(BLANK, Header(stamp=now))
    world.peer.images.publish(msg)
    world.wait(lambda: detections)
    count = len(diagnostics)
    world.wait(lambda: len(diagnostics) > count + 1, 'diagnostics every second', 4)
    status, = diagnostics[-1].status
    values = {value.key: value.value for value in status.values}
    assert (status.name, status.hardware_id) == ('robot/mcn: image', '/image')
    assert status.level == DiagnosticStatus.OK and values['device'] == 'cpu'
    assert 0 < float(values['latency p50 (ms)']) < 5000
    node.set_parameters([Parameter('diagnostics.max_latency', value=1e-6)])

    def warned():
        msg.header.stamp = node.get_clock().now().to_msg()
        world.peer.images.publish(msg)
        world.spin(0.2)
        return diagnostics[-1].status[0].level == DiagnosticStatus.WARN

    world.wait(warned, 'a warning')
    assert 'is more than diagnostics.max_latency' in diagnostics[-1].status[0].message


def test_a_network_whose_streams_exchange_is_one_like_any_other(world, tmp_path):
    streams = {task: {'backbone': 'shufflenet_v2_x0_5', 'tasks': [task]} for task in TASKS}
    config = ModelConfig(TASKS, {'kind': 'cross_connected', 'streams': streams}, (64, 64))
    save_model(MultiTaskNet(config), tmp_path / 'random.safetensors')
    world.monkeypatch.undo()  # the real predictor
    node = world.make(weights=f'{tmp_path}/random.safetensors', device='cpu', backend='torch',
                      detection__score_threshold=0.0)
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    world.connect()
    world.send(3)
    world.wait(lambda: world.stamps(detections) == [3], 'detections')
    assert detections[0].detections


def run_executable(*arguments):
    """Run the node as a process until it ends."""
    return subprocess.run(
        [sys.executable, '-m', 'mcn_ros.ros.node.mcn_node', '--ros-args', *arguments], text=True,
        capture_output=True, timeout=120)


@pytest.mark.parametrize('arguments, error', [
    (['-p', 'weights:=/nowhere'], 'cannot configure: weights: no such file: /nowhere'),
    (['-p', 'image_transport:=theora'], "'theora' is not one of raw, compressed")])
def test_the_process_ends_with_an_error_if_it_cannot_start(arguments, error):
    result = run_executable(*arguments)
    assert result.returncode == 1
    line, = result.stderr.splitlines()
    assert 'ERROR' in line and error in line


def test_the_process_with_a_real_network(world, tmp_path):
    config = ModelConfig(tasks=TASKS, input_size=(64, 64))
    save_model(MultiTaskNet(config), tmp_path / 'random.safetensors')
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    poses = world.peer.listen(HumanPose2DArray, 'mcn/poses')
    process = subprocess.Popen(
        [sys.executable, '-m', 'mcn_ros.ros.node.mcn_node', '--ros-args',
         '-p', f'weights:={tmp_path}/random.safetensors', '-p', 'device:=cpu',
         '-p', 'detection.score_threshold:=0.0', '-p', 'pose.score_threshold:=0.0'])
    try:
        world.wait(world.peer.images.get_subscription_count, 'the process', patience_s=120)

        def answered():
            world.send(5)  # again and again: the first may come before the topics are connected
            world.spin(0.2)
            return detections and poses

        world.wait(answered, 'results of the network', patience_s=60)
        assert set(world.stamps(detections)) == set(world.stamps(poses)) == {5}
        box = detections[0].detections[0].bbox
        assert 0 <= box.center.position.x <= 64 and 0 <= box.center.position.y <= 48
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
