# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command benchmark: its parts, what it prints and writes, and what it refuses."""

from importlib.util import find_spec
import json

import pytest

from mcn_ros.benchmark import against, layers, memory, networks, stopwatch
from mcn_ros.commands import benchmark, node_times
from mcn_ros.commands.benchmark import main


@pytest.fixture
def weights(tiny_weights):
    return str(tiny_weights)


@pytest.fixture
def arguments(weights, monkeypatch):
    monkeypatch.setattr(stopwatch, 'WARM_UP_S', 0.0)
    # What there is time for is not to depend on how busy the machine is.
    monkeypatch.setattr(networks, 'ALWAYS_BUILT', 100)
    return ['--weights', weights, '--networks', weights, '--backends', 'torch', '--backend',
            'torch', '--device', 'cpu', '--seconds', '1']


def test_the_parts_without_ros(arguments, tmp_path, capsys):
    path = tmp_path / 'new' / 'benchmark.json'
    main([*arguments, '--parts', 'networks', 'predictor', 'parameters', 'lifting', '--batches',
          '1', '2', '--json', str(path)])
    result, text = json.loads(path.read_text()), capsys.readouterr().out
    assert result['machine']['device'] == 'cpu' and result['notes'] == []
    assert result['command'].split()[0] == 'benchmark'
    assert result['parameters'][0]['network'] == result['networks'][0]['network'] == 'tiny'
    assert result['networks'][0]['ratio']['rounds'] >= stopwatch.LEAST_ROUNDS
    assert list(result['networks'][0]['batch_ms']) == ['1', '2']
    assert [row['size'] for row in result['predictor']] == [[480, 640], [1080, 1920]]
    assert [row['people'] for row in result['lifting']] == [1, 10]
    headings = [line for line in text.splitlines() if line.startswith('###')]
    assert headings == ['### Parameters and multiplications', '### Predictor, ms',
                        '### Networks: one image, ms', '### Networks: batches',
                        '### People in space, ms']
    assert text.count('| tiny |') >= 8 + 2


def test_without_ros_the_node_is_left_out_and_that_is_said(arguments, monkeypatch, tmp_path,
                                                           capsys):
    monkeypatch.setattr(benchmark, 'find_spec', lambda name: None)
    monkeypatch.setattr(node_times, 'measure', None)
    main([*arguments, '--parts', 'node', '--json', str(tmp_path / 'out.json')])
    assert '- node: not measured, rclpy is not installed\n' in capsys.readouterr().out
    result = json.loads((tmp_path / 'out.json').read_text())
    assert 'node' not in result and len(result['notes']) == 1


@pytest.mark.skipif(find_spec('rclpy') is None, reason='rclpy is not installed')
def test_a_node_that_fails_does_not_take_the_rest(arguments, monkeypatch, capsys):
    def fail(*_):
        raise ChildProcessError('node ended: oh')

    monkeypatch.setattr(node_times, 'measure', fail)
    with pytest.raises(SystemExit) as info:
        main([*arguments, '--parts', 'node', 'networks'])
    output, error = capsys.readouterr()
    assert info.value.code == 1 and 'could not be measured' in error
    assert '### Networks' in output and '- node: node ended: oh' in output


@pytest.mark.skipif(find_spec('rclpy') is None, reason='rclpy is not installed')
def test_the_node_has_its_tables(arguments, monkeypatch, capsys):
    row = {'size': [480, 640], **{name: {'p50': 4.0, 'p95': 5.0, 'p99': 6.0, 'frames': 9}
                                  for name in ('arrived', 'published', 'predictor', 'transport',
                                               'overhead')}}
    load = {**row, 'cameras': 1, 'nodes': 1, 'rate': 30.0, 'answered': {'a': 9},
            'frames_per_second': 9.0, 'ms_per_frame': 111.1, 'batch': 1.0,
            'cpu_ms_per_frame': 9.0, 'cpu_share': 0.5, 'pss': 2 ** 30, 'rss': 2 ** 31}
    monkeypatch.setattr(node_times, 'measure', lambda *_: {'latency': [row], 'load': [load]})
    main([*arguments, '--parts', 'node'])
    output = capsys.readouterr().out
    assert '| 640x480 | 4.0 / 5.0 / 6.0 |' in output and '1024 MiB | 2048 MiB |' in output


def test_time_is_shared_out_and_what_is_left_goes_on(arguments, monkeypatch):
    given = {}
    for part in benchmark.PARTS:
        monkeypatch.setattr(benchmark.BenchmarkRun, part,
                            lambda self, seconds, part=part: given.update({part: seconds}) or '')
    main([*arguments, '--seconds', '1100'])
    assert list(given) == list(benchmark.DEFAULT_PARTS)
    # Nobody has used anything, so the last one has all of it.
    assert given['networks'] == pytest.approx(1100, rel=0.1)
    assert given['node'] == pytest.approx(300, rel=0.1)


@pytest.mark.parametrize('parts', [['parameters'], ['networks', 'parameters']])
def test_parts_are_selected(arguments, monkeypatch, parts):
    called = []
    for part in benchmark.PARTS:
        monkeypatch.setattr(benchmark.BenchmarkRun, part,
                            lambda self, seconds, part=part: called.append(part) or '')
    main([*arguments, '--parts', *parts])
    assert called == [part for part in benchmark.PARTS if part in parts]


def test_a_network_of_two_names_is_measured_once(weights):
    assert list(benchmark.read_networks([weights, 'resnet18', weights], False)) \
        == [weights, 'resnet18']
    other = benchmark.read_networks(['resnet18', 'resnet18_plain'], True)
    assert len(other) == 2


def test_the_memory_of_training_is_measured(tmp_path, capsys):
    path = tmp_path / 'new' / 'memory.json'
    main(['--memory', '--tasks', '2', '--backbone', 'shufflenet_v2_x0_5', '--size', '64', '64',
          '--device', 'cpu', '--json', str(path)])
    rows = json.loads(path.read_text())['bytes']
    assert [row['tasks'] for row in rows] == [1, 2] and rows[1]['joint'] > rows[0]['joint']
    output = capsys.readouterr().out
    assert 'shufflenet_v2_x0_5, 2 images of 64x64' in output and 'MiB' in output


def test_the_table_of_memory_is_printed(capsys, monkeypatch):
    monkeypatch.setattr(memory, 'measure',
                        lambda num, *_: dict.fromkeys(memory.WAYS, 2**20 * num))
    main(['--memory', '--tasks', '2', '--device', 'cpu'])
    output = capsys.readouterr().out
    assert 'shufflenet' in output and '256x256' in output
    assert '| 2 | 2.0 MiB (+100.0%) |' in output


@pytest.mark.parametrize('arguments, code, why', [
    (['--parts', 'everything'], 2, "'parameters', 'predictor', 'tracking', 'node'"),
    (['--seconds', '0'], 2, 'not a positive time'), (['--batches', '0'], 2, '0 is not positive'),
    (['--parts', 'against'], 2, 'need each other'),
    (['--against', 'x.onnx', '--parts', 'networks'], 2, 'need each other'),
    (['--networks', 'vgg'], 1, 'neither one of default'),
    (['--backends', 'tensorflow'], 1, 'known: torch'), (['--device', 'tpu'], 1, 'not available'),
    (['--memory', '--tasks', '0'], 2, '0 is not positive'),
    (['--memory', '--size', '60', '64'], 1, 'multiples of 32'),
    (['--memory', '--device', 'tpu'], 1, "'tpu' is not available"),
    (['--memory', '--backbone', 'vgg'], 2, 'shufflenet')])
def test_errors_are_clear(capsys, arguments, code, why):
    with pytest.raises(SystemExit) as info:
        main(arguments)
    assert info.value.code == code
    output, error = capsys.readouterr()
    assert output == '' and why in error and 'Traceback' not in error


def test_files_that_are_named_are_what_is_measured(arguments, monkeypatch, capsys):
    seen = []

    def measure(configs, files, variants, seconds, tell):
        seen.append((list(configs), [path.name for path in files], list(map(str, variants))))
        return [{'network': 'x', 'precision': 'float32', 'ratios': {},
                 'ms': {'median': 1.0, 'q1': 1.0, 'q3': 1.0, 'rounds': 3}}]

    monkeypatch.setattr(against, 'measure', measure)
    main([*arguments, '--against', 'a.onnx', 'b.onnx'])
    assert seen[0][1:] == (['a.onnx', 'b.onnx'], ['torch float32']) and len(seen) == 1
    output = capsys.readouterr().out
    assert '### Networks and files in turns' in output and output.count('###') == 1


def test_the_layers_of_each_network_have_a_table(arguments, monkeypatch, capsys):
    layer = {'part': 'decoding', 'kind': 'TopK', 'kernel': 'k', 'shape': '1x2', 'ms': 1.5}
    monkeypatch.setattr(layers, 'measure', lambda name, config, dtype: {
        'network': 'tiny', 'precision': 'float32', 'layers': [layer]})
    monkeypatch.setattr(networks, 'obstacle', lambda *_: '')
    main([*arguments, '--parts', 'layers', '--backends', 'openvino', 'torch'])
    output = capsys.readouterr().out
    assert '| tiny | float32 | decoding | 1.50 | 100% |' in output
    assert output.count('### Layers of') == 1 and '| decoding | TopK | k | 1x2 | 1.50 |' in output
