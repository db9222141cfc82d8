# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The launch file that plays a bag, run for real where `ros2 launch` is installed."""

import importlib.util
import os
from pathlib import Path
import shutil
import signal
import subprocess
import time

import pytest

pytest.importorskip('launch_ros', reason='launch_ros is not installed')

from mcn_ros.data.bag_writer import BagConfig, write_bag  # noqa: E402 (launch may be missing)
from mcn_ros.data.bags import Bag  # noqa: E402
from mcn_ros.data.frames import read_frames  # noqa: E402
from mcn_ros.evaluation.recording import Recording  # noqa: E402
from mcn_ros.model import ModelConfig, MultiTaskNet  # noqa: E402
from mcn_ros.weights_file import save_model  # noqa: E402

LAUNCH_FILE = Path(__file__).resolve().parents[2] / 'launch' / 'replay.launch.py'
ARGUMENTS = {'bag', 'topic', 'rate', 'loop', 'record', 'rviz', 'heads', 'weights', 'device',
             'params_file', 'namespace', 'log_level'}
PATIENCE_S = 120  # starting Python with PyTorch takes long on a busy machine

needs_ros2 = pytest.mark.skipif(shutil.which('ros2') is None, reason='ros2cli is not installed')


@pytest.fixture(scope='module')
def launch_file():
    spec = importlib.util.spec_from_file_location('replay_launch', LAUNCH_FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    config = ModelConfig(tasks={'detection': {'classes': ['person']}, 'pose': {}},
                         input_size=(64, 64))
    save_model(MultiTaskNet(config), path)
    return path


@pytest.fixture(params=['raw', 'compressed'])
def bag(request, tmp_path):
    frames = (frame for frame, _ in zip(read_frames('SYNTHETIC', size=(48, 64)), range(3)))
    write_bag(tmp_path / 'bag', frames, BagConfig(transport=request.param, rate=2.0))
    return tmp_path / 'bag'


@pytest.fixture
def bag_player(tmp_path, monkeypatch):
    """Let `ros2 bag play` be installed, which tells what it is asked for and does nothing."""
    index = tmp_path / 'prefix' / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    (index / 'ros2bag').touch()
    command = tmp_path / 'prefix' / 'ros2'
    command.write_text('#!/bin/sh\n[ "$1" = bag ] && exec echo "played: $*"\n'
                       f'exec {shutil.which("ros2")} "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv('PATH', str(command.parent), prepend=os.pathsep)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(command.parent), prepend=os.pathsep)


def launch(tmp_path, **arguments):
    chosen = {'ROS_DOMAIN_ID': str(1 + os.getpid() % 100), 'ROS_LOG_DIR': str(tmp_path),
              'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'PYTHONUNBUFFERED': '1'}
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith('FASTDDS')} | chosen
    command = ['ros2', 'launch', 'mcn_ros', 'replay.launch.py',
               *(f'{name}:={value}' for name, value in arguments.items())]
    with open(tmp_path / 'log', 'w') as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)


def test_every_argument_is_declared_at_the_top_and_described(launch_file):
    declared = launch_file.generate_launch_description().get_launch_arguments()
    assert {argument.name for argument in declared} == ARGUMENTS
    assert all(argument.description for argument in declared)


@pytest.mark.parametrize('installed', [False, True])
def test_the_player_gets_what_is_asked_for(launch_file, monkeypatch, installed):
    monkeypatch.setattr(launch_file, 'is_installed', lambda package: installed)
    given = {'bag': 'my_bag', 'rate': '0.5', 'loop': 'true', 'record': '', 'namespace': 'robot'}
    player = launch_file.play(given, '/eye/jpeg', '/eye/jpeg', compressed=True)
    if installed:
        words = [''.join(part.text for part in word) for word in player.cmd]
        assert words[:4] == ['ros2', 'bag', 'play', 'my_bag']
        assert {'--loop', '--clock'} <= set(words)
        assert words[words.index('--rate') + 1] == '0.5'
        # The node looks for compressed images there.
        assert words[words.index('--remap') + 1] == '/eye/jpeg:=/eye/jpeg/compressed'
    else:
        assert player.node_executable == 'camera_player'


@needs_ros2
def test_a_bag_is_played_and_recorded(tmp_path, bag, weights):
    process = launch(tmp_path, bag=bag, weights=weights, heads='[pose]', record=tmp_path / 'out')
    assert process.wait(timeout=PATIENCE_S) == 0, (tmp_path / 'log').read_text()
    with Bag(tmp_path / 'out') as recorded:
        recording = Recording(recorded)
        assert list(recording.tasks) == ['pose']
        assert len(recording.sent) == 3
        assert all(answer.sent_ns == answer.stamp_ns <= answer.received_ns
                   for answer in recording.answers())
        assert list(recording.answers())


@needs_ros2
def test_a_bag_is_played_when_the_node_listens(tmp_path, bag, bag_player, weights):
    process = launch(tmp_path, bag=bag, weights=weights, heads='[pose]')
    assert process.wait(timeout=PATIENCE_S) == 0, (tmp_path / 'log').read_text()
    _, configured, rest = (tmp_path / 'log').read_text().partition('images from')
    assert configured and rest.count('played: bag play') == 1


@needs_ros2
@pytest.mark.parametrize('bag', ['raw'], indirect=True)
def test_the_node_survives_a_loop(tmp_path, bag, weights):
    """Time jumps back by a second, again and again."""
    out, log = tmp_path / 'out', tmp_path / 'log'
    process = launch(tmp_path, bag=bag, weights=weights, heads='[pose]', loop='true', record=out)
    end = time.monotonic() + PATIENCE_S
    while 'camera_player' not in log.read_text():
        assert time.monotonic() < end and process.poll() is None, log.read_text()
        time.sleep(0.2)
    time.sleep(12)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE_S) == 0, log.read_text()
    with Bag(out) as recorded:
        stamps = [answer.stamp_ns for answer in Recording(recorded).answers()]
    assert len(stamps) > len(set(stamps))


@needs_ros2
def test_a_wrong_bag_ends_the_launch_with_an_error(tmp_path):
    process = launch(tmp_path, bag='/nowhere')
    assert process.wait(timeout=PATIENCE_S) == 1
    assert '/nowhere' in (tmp_path / 'log').read_text()
