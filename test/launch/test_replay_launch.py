# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The launch file that plays a bag, run for real where `ros2 launch` is installed."""

import importlib.util
from pathlib import Path
import shutil
import time

import pytest

pytest.importorskip('launch_ros', reason='launch_ros is not installed')

from mcn_ros_msgs.msg import HumanPose2DArray  # noqa: E402, I100 (launch may be missing)
import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402

from mcn_ros.data.bag_writer import BagConfig, write_bag  # noqa: E402
from mcn_ros.data.bags import Bag  # noqa: E402
from mcn_ros.data.frames import read_frames  # noqa: E402
from mcn_ros.evaluation.recording import Recording  # noqa: E402

LAUNCH_FILE = Path(__file__).resolve().parents[2] / 'launch' / 'replay.launch.py'
ARGUMENTS = {'bag', 'topic', 'rate', 'loop', 'record', 'rviz', 'heads', 'weights', 'device',
             'params_file', 'namespace', 'log_level'}
PATIENCE_S = 120  # starting Python with PyTorch takes long on a busy machine


@pytest.fixture(scope='module')
def launch_file():
    spec = importlib.util.spec_from_file_location('replay_launch', LAUNCH_FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=['raw', 'compressed'])
def bag(request, tmp_path):
    frames = (frame for frame, _ in zip(read_frames('SYNTHETIC', size=(48, 64)), range(3)))
    write_bag(tmp_path / 'bag', frames, BagConfig(transport=request.param, rate=2.0))
    return tmp_path / 'bag'


@pytest.fixture
def bag_player(package, environment):
    """Let `ros2 bag play` be installed, which tells what it is asked for and does nothing."""
    ros2 = package('ros2bag', 'ros2', '[ "$1" = bag ] && exec echo "played: $*"\n'
                   f'exec {shutil.which("ros2")} "$@"')
    environment['PATH'] = f'{ros2.parent}:{environment["PATH"]}'


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


def test_a_bag_is_played_and_recorded(launch, tmp_path, bag, tiny_weights):
    code, log = launch('replay.launch.py', bag=bag, weights=tiny_weights, heads='[pose]',
                       record=tmp_path / 'out').wait()
    assert code == 0, log
    with Bag(tmp_path / 'out') as recorded:
        recording = Recording(recorded)
        assert list(recording.tasks) == ['pose']
        assert len(recording.sent) == 3
        assert all(answer.sent_ns == answer.stamp_ns <= answer.received_ns
                   for answer in recording.answers())
        assert list(recording.answers())


def test_a_bag_is_played_when_the_node_listens(launch, bag, bag_player, tiny_weights):
    code, log = launch('replay.launch.py', bag=bag, weights=tiny_weights, heads='[pose]').wait()
    assert code == 0, log
    _, configured, rest = log.partition('images from')
    assert configured and rest.count('played: bag play') == 1


@pytest.mark.parametrize('bag', ['raw'], indirect=True)
def test_the_node_survives_a_loop(launch, environment, monkeypatch, tmp_path, bag, tiny_weights):
    """Time jumps back by a second, again and again."""
    out, stamps = tmp_path / 'out', []
    launched = launch('replay.launch.py', bag=bag, weights=tiny_weights, heads='[pose]',
                      loop='true', record=out)
    for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        monkeypatch.setenv(name, environment[name])
    context = rclpy.Context()
    with rclpy.init(context=context):
        node = Node('listener', context=context)
        node.create_subscription(HumanPose2DArray, '/mcn/poses',
                                 lambda msg: stamps.append(str(msg.header.stamp)), 10)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        end = time.monotonic() + PATIENCE_S
        while len(stamps) == len(set(stamps)):
            executor.spin_once(timeout_sec=1.0)
            assert time.monotonic() < end and launched.process.poll() is None, stamps
        node.destroy_node()
    code, log = launched.interrupt()
    assert code == 0, log
    with Bag(out) as recorded:
        stamps = [answer.stamp_ns for answer in Recording(recorded).answers()]
    assert len(stamps) > len(set(stamps))


def test_a_wrong_bag_ends_the_launch_with_an_error(launch):
    code, log = launch('replay.launch.py', bag='/nowhere').wait()
    assert code == 1 and '/nowhere' in log


@pytest.mark.parametrize('bag', ['raw'], indirect=True)
def test_a_node_that_fails_ends_the_launch_with_an_error(launch, bag):
    code, log = launch('replay.launch.py', bag=bag, weights='/nowhere.safetensors').wait()
    assert code == 1 and 'cannot configure: weights: no such file' in log
