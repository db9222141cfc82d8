# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The launch file, run for real where `ros2 launch` is installed."""

import importlib.util
import os
from pathlib import Path
import shutil
import signal
import subprocess
import time

import pytest

LAUNCH_FILE = Path(__file__).resolve().parents[2] / 'launch' / 'mcn.launch.py'
ARGUMENTS = {'heads', 'image', 'weights', 'rviz', 'namespace', 'use_sim_time', 'params_file',
             'autostart', 'log_level', 'device', 'backend', 'precision', 'cameras',
             'image_transport'}
PATIENCE_S = 90  # starting Python with PyTorch takes long on a busy machine

pytest.importorskip('launch_ros', reason='launch_ros is not installed')
needs_ros2 = pytest.mark.skipif(shutil.which('ros2') is None, reason='ros2cli is not installed')


@pytest.fixture(scope='module')
def launch_file():
    spec = importlib.util.spec_from_file_location('mcn_launch', LAUNCH_FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    from mcn_ros.model import ModelConfig, MultiTaskNet
    from mcn_ros.weights_file import save_model
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    config = ModelConfig(tasks={'detection': {'classes': ['person']}, 'pose': {},
                                'segmentation': {'classes': ['person']}}, input_size=(64, 64))
    save_model(MultiTaskNet(config), path)
    return path


@pytest.fixture
def environment(tmp_path):
    chosen = {'ROS_DOMAIN_ID': str(1 + os.getpid() % 100), 'ROS_LOG_DIR': str(tmp_path),
              'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'PYTHONUNBUFFERED': '1'}
    return {name: value for name, value in os.environ.items()
            if not name.startswith('FASTDDS')} | chosen


def launch(environment, log, **arguments):
    command = ['ros2', 'launch', 'mcn_ros', 'mcn.launch.py',
               *(f'{name}:={value}' for name, value in arguments.items())]
    with open(log, 'w') as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)


def ask(environment, *command):
    return subprocess.run(['ros2', *command, '--no-daemon', '--spin-time', '5'], text=True,
                          capture_output=True, env=environment, timeout=PATIENCE_S).stdout


def wait_for(log, text, process):
    end = time.monotonic() + PATIENCE_S
    while text not in log.read_text():
        assert time.monotonic() < end and process.poll() is None, log.read_text()
        time.sleep(0.2)


def test_every_argument_is_declared_at_the_top_and_described(launch_file):
    declared = launch_file.generate_launch_description().get_launch_arguments()
    assert {argument.name for argument in declared} == ARGUMENTS
    assert all(argument.description for argument in declared)
    choices = {argument.name: argument.choices for argument in declared if argument.choices}
    assert {'rviz', 'use_sim_time', 'autostart', 'image_transport', 'log_level'} <= set(choices)


@pytest.mark.parametrize('text, names', [
    ('[detection]', ['detection']), ('detection,pose', ['detection', 'pose']),
    ('[ a , b ]', ['a', 'b']), ('', []), ('[]', [])])
def test_lists(launch_file, text, names):
    assert launch_file.split(text) == names


def test_remappings(launch_file):
    assert launch_file.remap_images('', []) == []
    assert launch_file.remap_images('/x', []) == [('image', '/x')]
    assert launch_file.remap_images('', ['a', 'b']) == []
    assert launch_file.remap_images('/{camera}/raw', ['a', '/b']) == [
        ('a/image', '/a/raw'), ('/b/image', '/b/raw')]
    with pytest.raises(ValueError, match='{camera}'):
        launch_file.remap_images('/x', ['a', 'b'])


@pytest.mark.parametrize('variable, is_set', [
    (None, True), ('FASTDDS_BUILTIN_TRANSPORTS', False),
    ('FASTDDS_DEFAULT_PROFILES_FILE', False), ('FASTRTPS_DEFAULT_PROFILES_FILE', False)])
def test_the_transport_is_left_to_the_user(launch_file, monkeypatch, variable, is_set):
    from launch.actions import SetEnvironmentVariable
    for name in launch_file.TRANSPORT_CHOICES:
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, 'UDPv4')
    entities = launch_file.generate_launch_description().entities
    assert any(isinstance(entity, SetEnvironmentVariable) for entity in entities) == is_set


@needs_ros2
def test_the_node_gets_what_is_asked_for(tmp_path, environment, weights):
    log = tmp_path / 'log'
    process = launch(environment, log, weights=weights, heads='[detection]', namespace='robot',
                     image='/front/image_raw')
    try:
        wait_for(log, 'images from', process)
        assert 'heads detection on' in log.read_text()
        assert 'images from /front/image_raw' in log.read_text()
        assert "['detection']" in ask(environment, 'param', 'get', '/robot/mcn', 'heads')
        topics = ask(environment, 'topic', 'list').split()
        assert '/robot/mcn/detections' in topics and '/robot/mcn/poses' not in topics
        assert 'active' in ask(environment, 'lifecycle', 'get', '/robot/mcn')
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=PATIENCE_S)
    assert process.returncode == 0, log.read_text()


@needs_ros2
@pytest.mark.parametrize('arguments, error', [
    ({'weights': '/nowhere.safetensors'}, 'cannot configure: weights: no such file'),
    ({'params_file': '/nowhere.yaml'}, 'params_file: no such file: /nowhere.yaml')])
def test_what_is_wrong_ends_the_launch_with_an_error(tmp_path, environment, arguments, error):
    log = tmp_path / 'log'
    process = launch(environment, log, **arguments)
    assert process.wait(timeout=PATIENCE_S) == 1
    assert error in log.read_text()
