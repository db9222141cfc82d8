# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The soak command: what it asks for, what fails it, and a short run against a real node."""

from importlib.util import find_spec
import json
import re

import pytest

from mcn_ros.benchmark.soak import problems, summary
from mcn_ros.commands import soak

needs_ros = pytest.mark.skipif(
    not (find_spec('rclpy') and find_spec('vision_msgs')), reason='ROS 2 is not installed')


@pytest.mark.parametrize('minutes, number', [(60, 60), (5, 60), (0.5, 15), (0.05, 2), (600, 600)])
def test_the_time_is_cut_into_slices(minutes, number):
    warm_up, *slices = soak.phases(soak.parse(['--minutes', str(minutes)]))
    assert len(slices) == number
    assert sum(phase['seconds'] for phase in slices) == pytest.approx(60 * minutes)
    assert warm_up['seconds'] == min(soak.WARM_UP_S, 15 * minutes)
    assert {(phase['rate'], *phase['size']) for phase in (warm_up, *slices)} == {(60.0, 480, 640)}


def test_node_and_cameras_are_for_each_other(seeing_weights):
    args = soak.parse(['--weights', str(seeing_weights), '--cameras', '3', '--rate', '15'])
    given = soak.parameters(args)
    node, prober = given['timed_node'], given['prober']
    assert node['cameras'] == prober['cameras'] == ['camera_0', 'camera_1', 'camera_2']
    for name in node['cameras']:
        topic = f'{soak.namespace()}/{name}/image'
        assert node[f'qos_overrides.{topic}.subscription.reliability'] == 'reliable'
    assert json.loads(prober['phases']) == soak.phases(args) and prober['continuous']


@pytest.mark.parametrize('words', [['--cameras', '0'], ['--size', '0', '640']])
def test_wrong_numbers_are_named(words):
    with pytest.raises(ValueError, match='cameras, size: expected positive numbers'):
        soak.run(soak.parse(words))


@pytest.mark.parametrize('words', [['--minutes', '0'], ['--minutes', 'nan'], ['--rate', '-1']])
def test_times_are_positive(words, capsys):
    with pytest.raises(SystemExit, match='2'):
        soak.parse(words)
    assert 'is not positive' in capsys.readouterr().err


@pytest.mark.parametrize('growth', [0, 20])
def test_what_grows_fails_the_command(growth, monkeypatch, tmp_path, capsys):
    def run_together(parameters, namespace, log, hear):
        for index in range(-1, 4):
            start = 100.0 + 2 * index
            answers = [{'camera': 'camera_0', 'stamp_ns': int(1e9 * (start + i / 4)),
                        'published_ms': 9.0, 'pid': 7} for i in range(8)]
            hear({'phase': 'warm-up', 'frames': 1})
            hear({'record': {
                'phase': soak.phases(args)[0], 'sent': {'camera_0': 8}, 'answers': answers,
                'memory': {'7': {'Rss': 2 ** 20 * (1000 + growth * index), 'RssShmem': 0}},
                'threads': {'7': 3}, 'statuses': {}, 'ended_s': start + 2}})
        return {'phases': []}

    words = ['--json', str(tmp_path / 'soak.json'), '--log', str(tmp_path)]
    args = soak.parse(words)
    monkeypatch.setattr(soak, 'run_together', run_together)
    monkeypatch.setattr(soak, 'parameters', lambda args: {})
    if growth:
        with pytest.raises(SystemExit, match='1'):
            soak.main(words)
    else:
        soak.main(words)
    captured = capsys.readouterr()
    assert '| camera_0 |' in captured.out
    assert ('memory of the node grew by 6.00 %' in captured.err) == bool(growth)
    assert bool(json.loads((tmp_path / 'soak.json').read_text())['problems']) == bool(growth)


@needs_ros
def test_a_real_node_serves_all_cameras(tiny_weights, tmp_path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.setattr(soak, 'SLICE_S', (1.0, 60.0))
    args = soak.parse(['--minutes', '0.05', '--cameras', '2', '--rate', '10', '--size', '48', '64',
                       '--weights', str(tiny_weights), '--device', 'cpu', '--backend', 'torch',
                       '--log', str(tmp_path)])
    found = soak.run(args)
    assert len(found['slices']) == 3 and found['rss']['start'] > 2 ** 20
    assert list(found['cameras']) == ['camera_0', 'camera_1']
    for camera in found['cameras'].values():
        # A slice begins with an image of each camera.
        assert 0 < camera['answered'] and 0 < camera['sent'] <= 3 * 11
        assert camera['failed'] == camera['undecodable'] == 0
    assert found['threads']['start'] >= 2 and 0 < found['published']['p50']
    # How long something takes is that of a busy machine: not looked at here.
    assert not [line for line in problems(found) if 'images' in line or 'threads' in line]


@needs_ros
@pytest.mark.long
@pytest.mark.timeout(1200)
def test_five_minutes_of_load_change_nothing(tmp_path):
    found = soak.run(soak.parse(['--minutes', '5', '--device', 'cpu', '--log', str(tmp_path)]))
    print(summary(found))
    assert len(found['cameras']) == 4 and found['seconds'] == pytest.approx(300)
    # Memory, threads, errors and fairness; how long something takes is not looked at here.
    assert not [line for line in problems(found) if not re.search('latency|no result', line)]
