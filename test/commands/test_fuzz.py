# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The fuzz command: what it asks for, what it calls wrong, and a run against a real node."""

from importlib.util import find_spec
import json
import re

import pytest

from mcn_ros.commands import fuzz

needs_ros = pytest.mark.skipif(
    not (find_spec('rclpy') and find_spec('vision_msgs')), reason='ROS 2 is not installed')


def summary(end=500_000_000, peak=600_000_000, wrong=()):
    return {'messages': 4, 'fates': {'1x1': {'answered': 1}, '0x0': {'refused': 3}},
            'num_wrong': len(wrong), 'wrong': list(wrong),
            'memory': {'settled': 490_000_000, 'end': end, 'highest': end, 'peak': peak}}


def test_each_input_has_its_node(seeing_weights):
    args = fuzz.parse(['--weights', str(seeing_weights), '--seed', '7', '--device', 'cpu'])
    for transport, topic in (('raw', '/image'), ('compressed', '/image/compressed')):
        given = fuzz.parameters(args, transport, 12)
        node = given['fuzzed_node']
        assert (node['image_transport'], node['device']) == (transport, 'cpu')
        assert f'qos_overrides.{fuzz.namespace()}{topic}.subscription.reliability' in node
        assert given['fuzzer'] == {'transport': transport, 'count': 12, 'seed': 7}
    for name, source in (('depth', 'image'), ('points', 'points')):
        given = fuzz.parameters(args, name, 12)
        assert given['fuzzed_node']['depth.source'] == source
        assert given['depth_fuzzer'] == {'source': source, 'count': 12, 'seed': 7}


@needs_ros
def test_the_limit_is_that_of_the_messages():
    from mcn_ros.trials import hostile
    assert fuzz.MAX_PIXELS == hostile.MAX_PIXELS and set(hostile.KINDS) < set(fuzz.INPUTS)


@pytest.mark.parametrize('words', [['--messages', '0'], ['--seed', '-1']])
def test_wrong_numbers_are_named(words):
    with pytest.raises(ValueError, match='messages: .* seed'):
        fuzz.run(fuzz.parse(words))


@pytest.mark.parametrize('result, problem', [
    (summary(), None),
    (summary(wrong=['pose of the good image']), 'raw: pose of the good image'),
    (summary(end=490_000_001 + fuzz.GROWTH), r'raw: the memory of the node \(end\)'),
    (summary(peak=490_000_001 + fuzz.PEAK), r'raw: the memory of the node \(peak\)')])
def test_what_is_wrong_fails_the_command(result, problem, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(fuzz, 'run_together', lambda *_: result)
    monkeypatch.setattr(fuzz, 'parameters', lambda *_: {})
    out = tmp_path / 'fuzz.json'
    words = ['--messages', '1', '--json', str(out), '--log', str(tmp_path)]
    if problem is None:
        fuzz.main(words)
    else:
        with pytest.raises(SystemExit, match='1'):
            fuzz.main(words)
    captured = capsys.readouterr()
    assert '1 answered, 3 refused' in captured.out
    lines = captured.err.splitlines()
    assert problem is None or re.search(problem, lines[-1])
    found = json.loads(out.read_text())
    assert bool(found['problems']) == bool(problem) and found['raw']['messages'] == 4


@needs_ros
def test_a_real_node_passes(seeing_weights, tmp_path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    args = fuzz.parse(['--messages', '48', '--weights', str(seeing_weights), '--device', 'cpu',
                       '--backend', 'torch', '--log', str(tmp_path)])
    found = fuzz.run(args)
    assert not fuzz.problems(found), found
    assert [found[transport]['messages'] for transport in fuzz.INPUTS] == [12] * 4
