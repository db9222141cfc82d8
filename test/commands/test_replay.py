# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Replay: a bag through the real node, whose answers are those of its network."""

from importlib.util import find_spec
import os
from pathlib import Path
import signal
import subprocess
import sys

import pytest

from mcn_ros.commands import replay as replay_module
from mcn_ros.commands.replay import replay
from mcn_ros.data.bag_writer import BagConfig, write_bag
from mcn_ros.data.bags import Bag
from mcn_ros.data.frames import read_frames
from mcn_ros.evaluation.recording import Recording
from mcn_ros.evaluation.replay import evaluate_recording
from mcn_ros.runtime import load_predictor, RuntimeConfig

needs_ros = pytest.mark.skipif(
    not (find_spec('rclpy') and find_spec('vision_msgs')), reason='ROS 2 is not installed')
COUNT = 3
ROOT = Path(__file__).resolve().parents[2]
MODULES = {'node': 'ros.node.mcn_node', 'recorder': 'ros.tools.recorder',
           'camera': 'ros.tools.camera_player'}


@pytest.fixture(params=['raw', 'compressed'])
def bag(request, tmp_path):
    """Write drawn scenes to a bag."""
    frames = (frame for frame, _ in zip(read_frames('SYNTHETIC', size=(96, 128)), range(COUNT)))
    write_bag(tmp_path / 'bag', frames, BagConfig(transport=request.param, rate=5.0))
    return tmp_path / 'bag'


@needs_ros
def test_the_node_says_what_its_network_says(bag, seeing_weights, tmp_path, monkeypatch):
    # As many threads as here: a random network is sure of everything, so the last digit decides
    # which of its objects comes first.
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    sums = replay(bag, tmp_path / 'recording', str(seeing_weights),
                  runtime=RuntimeConfig('cpu'), speed=2.0)
    assert sums['frames_sent'] == COUNT
    assert sums['heads'] == ['detection', 'pose', 'segmentation']
    with Bag(tmp_path / 'recording') as recorded, Bag(bag) as source:
        recording = Recording(recorded)
        assert recording.topic.startswith('/camera/image_raw')
        assert recording.tasks['detection'].classes == ('person', 'dog')
        assert recording.tasks['segmentation'].classes == ('person',)
        summary = evaluate_recording(
            recording, source=source,
            predictor=load_predictor(seeing_weights, runtime=RuntimeConfig('cpu')),
            progress=False).results['replay']
    assert summary['notes'] == []
    assert summary['frames_sent'] == COUNT
    # Some may be superseded on a busy machine; the last one never is.
    assert 1 <= summary['frames_processed'] <= COUNT
    assert summary['frames_processed'] + sum(summary['drops'].values()) == COUNT
    latency = summary['latency_ms']
    assert 0 < latency['p50'] <= latency['p95'] <= latency['p99'] <= latency['max'] < 60000
    agreement = summary['agreement']
    assert agreement['frames'] == agreement['equal'] == summary['frames_processed'], agreement
    # What was recorded under another name until it was complete has left nothing.
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'bag', 'recording', 'recording_log']


@pytest.mark.parametrize('bag', ['raw'], indirect=True)
def test_a_run_that_fails_leaves_no_recording(bag, seeing_weights, tmp_path, monkeypatch):
    def fail(parameters, namespace, log):
        Path(parameters['recorder']['out']).mkdir()
        raise ChildProcessError('node ended')

    monkeypatch.setattr(replay_module, 'run_together', fail)
    with pytest.raises(ChildProcessError):
        replay(bag, tmp_path / 'recording', str(seeing_weights))
    assert [path.name for path in tmp_path.iterdir()] == ['bag']


def children(pid):
    """Return the processes that a replay has started, by role, as far as they have begun."""
    found = {}
    for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split():
        words = Path(f'/proc/{child}/cmdline').read_bytes().decode().split('\0')
        found |= {role: int(child) for role, module in MODULES.items()
                  if f'mcn_ros.{module}' in words}
    return found


@needs_ros
@pytest.mark.parametrize('bag', ['raw'], indirect=True)
@pytest.mark.parametrize('victim', ['recorder', 'replay'])  # of the others: test_processes
def test_whichever_process_is_killed_all_end(victim, bag, tiny_weights, tmp_path, is_alive,
                                             wait_for):
    code = ('import sys; sys.argv[0] = "evaluate_bag"; '
            'from mcn_ros.commands.evaluate_bag import main; main()')
    recording = tmp_path / 'recording'
    words = ['--bag', bag, '--weights', tiny_weights, '--mode', 'replay', '--rate', '0.001',
             '--recording', recording, '--device', 'cpu', '--backend', 'torch']
    process = subprocess.Popen(
        [sys.executable, '-c', code, *map(str, words)], text=True, stderr=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'})
    try:
        # The recorder makes its bag once it can hear that its parent is killed.
        wait_for(lambda: [*tmp_path.glob('.recording.*/recording')], seconds=120)
        wait_for(lambda: (log := tmp_path / 'recording_log' / 'node.txt').exists()
                 and 'images from' in log.read_text(), seconds=120)
        pids = children(process.pid)
        assert pids.keys() == MODULES.keys()
        os.kill({**pids, 'replay': process.pid}[victim], signal.SIGKILL)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    wait_for(lambda: not any(map(is_alive, pids.values())))
    assert not recording.exists()
    if victim == 'replay':
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 1
        assert f'error: {victim} ended (killed by SIGKILL)' in told.splitlines()[-1]
        assert not [*tmp_path.glob('.recording.*')]


@pytest.mark.parametrize('bag', ['raw'], indirect=True)
@pytest.mark.parametrize('options, error', [
    ({'speed': 0.0}, 'rate: 0.0 is not in'), ({'topic': '/x'}, "no images on topic '/x'"),
    ({'weights': '/nowhere.safetensors'}, 'nowhere.safetensors'),
    ({'recording': 'bag'}, 'exists already')])
def test_what_is_wrong_is_told_before_anything_starts(bag, tmp_path, options, error):
    options = {'weights': '', **options}
    recording = tmp_path / options.pop('recording', 'recording')
    with pytest.raises(ValueError, match=error):
        replay(bag, recording, **options)
    assert not (tmp_path / 'recording_log').exists()
