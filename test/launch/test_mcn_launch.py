# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The launch file, run for real where `ros2 launch` is installed."""

from functools import partial
import importlib.util
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import time

import pytest
import yaml

LAUNCH_FILE = Path(__file__).resolve().parents[2] / 'launch' / 'mcn.launch.py'
ARGUMENTS = {'heads', 'image', 'weights', 'rviz', 'namespace', 'node_name', 'use_sim_time',
             'params_file', 'calibration', 'autostart', 'log_level', 'device', 'backend',
             'precision', 'cameras', 'image_transport', 'respawn', 'respawn_delay',
             'on_exit_shutdown', 'tracking', 'depth', 'points', 'target_frame'}
PATIENCE_S = 90

pytest.importorskip('launch_ros', reason='launch_ros is not installed')

from launch import LaunchContext  # noqa: E402, I100 (launch may be missing)
from mcn_ros_msgs.msg import HumanPose3DArray  # noqa: E402
import numpy as np  # noqa: E402
import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, PointCloud2  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from vision_msgs.msg import Detection3DArray  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

SPATIAL = {'/mcn/detections_3d': Detection3DArray, '/mcn/poses_3d': HumanPose3DArray,
           '/mcn/markers': MarkerArray, '/mcn/semantic/points': PointCloud2}


@pytest.fixture(scope='module')
def launch_file():
    spec = importlib.util.spec_from_file_location('mcn_launch', LAUNCH_FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ask(environment, *command):
    return subprocess.run(['ros2', *command, '--no-daemon', '--spin-time', '5'], text=True,
                          capture_output=True, env=environment, timeout=PATIENCE_S).stdout


def test_every_argument_is_declared_and_described(launch_file):
    declared = launch_file.generate_launch_description().get_launch_arguments()
    assert {argument.name for argument in declared} == ARGUMENTS
    assert all(argument.description for argument in declared)
    choices = {argument.name: argument.choices for argument in declared if argument.choices}
    assert {'rviz', 'use_sim_time', 'autostart', 'image_transport', 'log_level', 'respawn',
            'on_exit_shutdown', 'tracking'} <= set(choices)


@pytest.mark.parametrize('text, names', [
    ('[detection]', ['detection']), ('detection,pose', ['detection', 'pose']),
    ('[ a , b ]', ['a', 'b']), ('', []), ('[]', []), (['a', 1], ['a', '1']), (1, ['1'])])
def test_lists(launch_file, text, names):
    assert launch_file.split(text) == names


def test_topics_of_images(launch_file):
    assert launch_file.name_topics('image', '', []) == {'': ('image', 'image')}
    assert launch_file.name_topics('image', '/x', []) == {'': ('image', '/x')}
    assert launch_file.name_topics('image', '', ['a']) == {'a': ('a/image', 'a/image')}
    assert launch_file.name_topics('image', '/{camera}/raw', ['a', '/b']) == {
        'a': ('a/image', '/a/raw'), '/b': ('/b/image', '/b/raw')}
    with pytest.raises(ValueError, match='{camera}'):
        launch_file.name_topics('image', '/x', ['a', 'b'])


@pytest.mark.parametrize('depth, points, cameras, source, inputs', [
    ('', '', ['a'], '', []),
    ('/c/depth/image_raw', '', [], 'image', [
        ('depth', '/c/depth/image_raw'), ('depth_info', '/c/depth/camera_info')]),
    ('image', '', [], 'image', [('depth', 'image'), ('depth_info', 'camera_info')]),
    ('/{camera}/depth/image', '', ['/a'], 'image', [
        ('/a/depth', '/a/depth/image'), ('/a/depth_info', '/a/depth/camera_info')]),
    ('', '/c/points', [], 'points', [('points', '/c/points')])])
def test_topics_of_depth(launch_file, depth, points, cameras, source, inputs):
    assert launch_file.name_depth({'depth': depth, 'points': points}, cameras) == (source, inputs)


@pytest.mark.parametrize('depth, points, error', [
    ('/d', '/p', 'points: there is depth already'),
    ('/x/{camera}', '', 'depth: with several cameras, {camera} has to be in the name before'),
    ('', '/p', "points: with several cameras, {camera} has to be part of '/p'")])
def test_wrong_topics_of_depth(launch_file, depth, points, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        launch_file.name_depth({'depth': depth, 'points': points}, ['a', 'b'])


@pytest.mark.parametrize('content, parameters', [
    ({'/**': {'ros__parameters': {'cameras': 'a, b'}}}, {'cameras': 'a, b'}),
    ({'/robot/eye': {'ros__parameters': {'cameras': ['a']}},
      '/**': {'ros__parameters': {'cameras': '', 'image_transport': 'raw'}}},
     {'cameras': ['a'], 'image_transport': 'raw'}),
    ({'/mcn': {'ros__parameters': {'cameras': ['a']}}}, {}),
    ({'/**': None}, {}), ({'/**': 'x'}, {}), ({'/**': {'ros__parameters': 1}}, {}), (None, {})])
def test_parameters_of_the_node_in_a_file(launch_file, tmp_path, content, parameters):
    path = tmp_path / 'parameters.yaml'
    path.write_text(yaml.safe_dump(content))
    assert launch_file.read_parameters(path, '/robot/eye') == parameters


@pytest.mark.parametrize('pushed, namespace, name', [
    (None, '', '/mcn'), (None, 'left', '/left/mcn'), ('/robot', '', '/robot/mcn'),
    ('/robot', 'left', '/robot/left/mcn'), ('/robot', '/left', '/left/mcn')])
def test_full_name_of_the_node(launch_file, pushed, namespace, name):
    context = LaunchContext()
    if pushed:
        context.launch_configurations['ros_namespace'] = pushed
    given = {'namespace': namespace, 'node_name': 'mcn'}
    assert launch_file.full_name(context, given) == name


@pytest.mark.parametrize('wrong, error', [
    ({'params_file': '/nowhere.yaml'}, 'params_file: no such file: /nowhere.yaml'),
    ({'respawn_delay': 'soon'}, "respawn_delay: 'soon' is no number of seconds"),
    ({'respawn_delay': '-1'}, "respawn_delay: '-1'"),
    ({'respawn_delay': 'inf'}, "respawn_delay: 'inf'"),
    ({'respawn': 'true', 'on_exit_shutdown': 'true'}, 'on_exit_shutdown: with respawn')])
def test_wrong_arguments(launch_file, wrong, error):
    right = {'params_file': __file__, 'respawn_delay': '0', 'respawn': 'false',
             'on_exit_shutdown': 'false'}
    launch_file.check(right)
    with pytest.raises(ValueError, match=re.escape(error)):
        launch_file.check({**right, **wrong})


def test_the_node_gets_what_is_asked_for(launch, environment, tiny_weights):
    launched = launch('mcn.launch.py', weights=tiny_weights, heads='[detection]',
                      namespace='robot', node_name='eye', image='/front/image_raw',
                      depth='/front/depth/image', backend='torch')
    log = launched.wait_for('images from')
    assert 'depth from /front/depth/image (/front/depth/camera_info)' in log
    assert 'heads detection on' in log and 'images from /front/image_raw' in log
    assert "['detection']" in ask(environment, 'param', 'get', '/robot/eye', 'heads')
    topics = ask(environment, 'topic', 'list').split()
    assert '/robot/eye/detections' in topics and '/robot/eye/poses' not in topics
    assert 'active' in ask(environment, 'lifecycle', 'get', '/robot/eye')
    code, log = launched.interrupt()
    assert code == 0, log


def test_depth_becomes_results_in_space(launch, environment, monkeypatch, tiny_weights):
    launched = launch('mcn.launch.py', weights=tiny_weights, image='/eye/image', tracking='true',
                      depth='/eye/depth/image', backend='torch')
    launched.wait_for('depth from /eye/depth/image (/eye/depth/camera_info)')
    for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        monkeypatch.setenv(name, environment[name])
    size = {'height': 48, 'width': 64}
    messages = {'/eye/image': Image(**size, encoding='mono8', step=64, data=bytes(48 * 64)),
                '/eye/depth/image': Image(**size, encoding='16UC1', step=128,
                                          data=np.full(48 * 64, 2000, '<u2').tobytes()),
                '/eye/depth/camera_info': CameraInfo(**size, p=[
                    60.0, 0, 32, 0, 0, 60, 24, 0, 0, 0, 1, 0])}
    found = {}
    with rclpy.init(context=(context := rclpy.Context())):
        node = Node('eye', context=context)
        for topic, kind in SPATIAL.items():
            node.create_subscription(kind, topic, partial(found.__setitem__, topic), 1)
        publishers = {topic: node.create_publisher(type(message), topic, 1)
                      for topic, message in messages.items()}
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        end = time.monotonic() + PATIENCE_S
        while set(found) != set(SPATIAL):
            assert time.monotonic() < end and launched.process.poll() is None, found
            now = node.get_clock().now().to_msg()
            for topic, message in messages.items():
                message.header = Header(frame_id='eye', stamp=now)
                publishers[topic].publish(message)
            executor.spin_once(timeout_sec=0.2)
        node.destroy_node()
    cloud = found['/mcn/semantic/points']
    assert cloud.header.frame_id == 'eye' and (cloud.height, cloud.width) == (48, 64)
    code, log = launched.interrupt()
    assert code == 0, log


def test_rviz_shows_all_cameras_and_ends_with_the_node(
        launch, package, tiny_weights, tmp_path):
    """Only the launch file itself is left then, so that the launch ends."""
    parameters = tmp_path / 'parameters.yaml'
    parameters.write_text(
        '/**: {ros__parameters: {cameras: [front, rear], backend: torch, heads: [pose]}}')
    package('rviz2', 'rviz2', f'echo "$* $FASTDDS_DEFAULT_PROFILES_FILE" > {tmp_path}/rviz; '
            'exec sleep 600')
    launched = launch('mcn.launch.py', rviz='true', params_file=parameters, weights=tiny_weights,
                      namespace='robot', image='/{camera}/raw', image_transport='compressed')
    log = launched.wait_for('images from')
    assert 'images from /front/raw/compressed, /rear/raw/compressed' in log
    _, config, *words, profiles = (tmp_path / 'rviz').read_text().split()
    assert {'__ns:=/robot', '__node:=mcn_rviz'} <= set(words) and Path(profiles).is_file()
    displays = yaml.safe_load(Path(config).read_text())['Visualization Manager']['Displays']
    assert [display['Topic']['Value'] for display in displays
            if display['Name'].endswith('Camera')] == [
        '/front/raw/compressed', '/rear/raw/compressed']
    assert {display['Name'] for display in displays
            if display['Enabled'] and display['Class'].endswith('/Image')} == {
        f'{camera} {name}' for camera in ('front', 'rear') for name in ('Camera', 'Overlay')}
    os.kill(int(re.search(r'mcn_node-\d+]: process started with pid \[(\d+)', log)[1]),
            signal.SIGKILL)
    code, log = launched.wait()
    assert code == 0 and 'mcn_node-2]: process has died' in log, log


def test_without_rviz_the_launch_ends_before_there_is_a_node(launch):
    if shutil.which('rviz2'):
        pytest.skip('RViz is installed')
    code, log = launch('mcn.launch.py', rviz='true').wait()
    assert code == 1 and "package 'rviz2' not found" in log and 'started' not in log, log


@pytest.mark.parametrize('whole, expected', [('true', 1), ('false', 0)])
def test_a_node_that_fails_ends_the_launch(launch, whole, expected):
    """By itself, as nothing is left; the error of a node is that of a launch only if asked for."""
    code, log = launch('mcn.launch.py', weights='/nowhere.safetensors',
                       on_exit_shutdown=whole).wait()
    assert 'cannot configure: weights: no such file' in log
    assert re.search(r'mcn_node-1\]: process has died \[pid \d+, exit code 1', log)
    assert code == expected, log
