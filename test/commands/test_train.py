# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command line of the trainer: overrides, resuming, and one line for what is wrong."""

import runpy
import sys

from hypothesis import given, settings, strategies
import pytest
import yaml

from mcn_ros.commands import train as command
from mcn_ros.commands.train import apply_override, main, read_yaml
from mcn_ros.config import from_dict, to_dict
from mcn_ros.trainer.config import TrainConfig

VALUES = {'run': 'r', 'steps': 10,
          'model': {'tasks': {'pose': None}, 'trunk': {'channels': 64, 'neck': 'top_down'}},
          'datasets': [{'annotations': 'a', 'images': 'b'}, {'annotations': 'c', 'images': 'd'}]}


@pytest.fixture
def calls(monkeypatch):
    """Record the runs that are asked for instead of running them."""
    calls = []

    def train(config, resume=False):
        calls.append((config, resume))
        return {'pose': {'AP': 0.5}}

    monkeypatch.setattr(command, 'train', train)
    return calls


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'config.yaml'
    path.write_text(yaml.safe_dump(VALUES))
    return path


def failure(capsys, *arguments):
    """Return what a failing command prints."""
    with pytest.raises(SystemExit) as info:
        main([str(argument) for argument in arguments])
    assert info.value.code == 1
    output, error = capsys.readouterr()
    assert output == '' and error.count('\n') == 1 and error.endswith('\n')
    assert 'error: ' in error
    return error


def changed(override):
    """Return what an override makes of VALUES, by path; only the difference."""
    return apply_override(VALUES, override)


def test_overrides():
    assert changed('steps=3')['steps'] == 3
    assert changed('model.trunk.channels=32')['model']['trunk'] == {
        'channels': 32, 'neck': 'top_down'}
    assert changed('datasets.1.images=x')['datasets'] == [
        VALUES['datasets'][0], {'annotations': 'c', 'images': 'x'}]
    assert changed('new.deep.key=1')['new'] == {'deep': {'key': 1}}
    assert changed('model.tasks.pose.head.width=8')['model']['tasks'] == {
        'pose': {'head': {'width': 8}}}
    assert changed('model.tasks={detection: {}}')['model']['tasks'] == {'detection': {}}


@pytest.mark.parametrize('text, value', [
    ('3', 3), ('3.5', 3.5), ('1e-3', 0.001), ('-2E+4', -20000.0), ('1.5e2', 150.0), ('true', True),
    ('null', None), ('', None), ('[64, 96]', [64, 96]), ('a=b', 'a=b'), ('"3"', '3'),
    ('runs/1e', 'runs/1e')])
def test_values_are_yaml(text, value):
    result = changed(f'steps={text}')['steps']
    assert result == value and type(result) is type(value)


def test_overrides_change_nothing_in_place():
    before = to_dict(VALUES)
    for override in ('steps=3', 'model.trunk.channels=3', 'datasets.0.images=x'):
        changed(override)
    assert before == VALUES


@pytest.mark.parametrize('override, message', [
    ('steps', "'steps': expected key=value"),
    ('datasets.2.images=x', r"'datasets.2.images=x': no item '2' \(known: 0 to 1\)"),
    ('datasets.x=1', r"no item 'x' \(known: 0 to 1\)"),
    ('steps=[', r"'steps=\[': "), ('steps=a: b: c', "'steps=a: b: c': ")])
def test_bad_overrides(override, message):
    with pytest.raises(ValueError, match=message) as info:
        changed(override)
    assert '\n' not in str(info.value)


def test_a_configuration_is_run(calls, path, capsys):
    main([str(path), 'steps=20', 'learning_rate=1e-4', 'datasets.1.weight=3', 'steps=30'])
    (config, resume), = calls
    assert not resume and (config.run, config.steps, config.learning_rate) == ('r', 30, 1e-4)
    assert [dataset.weight for dataset in config.datasets] == [None, 3.0]
    assert capsys.readouterr().out == 'pose AP 0.500\n'


def test_a_run_is_resumed_where_it_lies(calls, path):
    # Its folder may have been moved, or copied, since it was written.
    main(['--resume', str(path.parent)])
    main(['--resume', str(path.parent), 'steps=20', 'seed=3'])
    main(['steps=20', '--resume', str(path.parent), 'seed=3'])
    assert [resume for _, resume in calls] == [True] * 3
    assert [config.run for config, _ in calls] == [str(path.parent)] * 3
    assert [(config.steps, config.seed) for config, _ in calls] == [(10, 0), (20, 3), (20, 3)]


@pytest.mark.parametrize('override, named', [
    ('stepps=3', "stepps: unknown key; did you mean 'steps'? (known: run, "),
    ('model.trunk.chanels=3', "trunk.chanels: unknown key; did you mean 'channels'?"),
    ('datasets.0.weights=3', 'datasets[0].weights: unknown key'),
    ('steps=ten', "steps: expected int, got 'ten'"),
    ('steps.more=1', 'steps: expected int'),
    ('model.tasks.nonsense={}', 'nonsense'),
    ('model.tasks.pose.skeleton=dog', 'pose.skeleton'),
    ('augment.scale=[2, 1]', 'scale'),
    ('train_size=[1, 2]', 'train_size'), ('nothing', 'expected key=value'),
    ('steps=[', 'steps=[')])
def test_what_is_wrong_is_told_in_one_line(calls, path, capsys, override, named):
    assert named in failure(capsys, path, override)
    assert calls == []


def test_files_that_are_none(calls, tmp_path, capsys):
    assert 'nothing.yaml' in failure(capsys, tmp_path / 'nothing.yaml')
    assert 'config.yaml' in failure(capsys, '--resume', tmp_path)
    assert str(tmp_path) in failure(capsys, tmp_path)
    bad = tmp_path / 'bad.yaml'
    for content in (b'a: b: c\nd', b'[1, 2]', b'', b'\xff\xfe\x00', b'\x89PNG'):
        bad.write_bytes(content)
        assert str(bad) in failure(capsys, bad)
    assert calls == []


def test_a_configuration_and_a_run_are_too_much(calls, path, capsys):
    assert 'expected key=value' in failure(capsys, path, '--resume', path.parent)


def test_usage(calls, capsys):
    with pytest.raises(SystemExit) as info:
        main([])
    assert info.value.code == 2 and '--resume' in capsys.readouterr().err
    with pytest.raises(SystemExit) as info:
        main(['--help'])
    assert info.value.code == 0 and 'key=value' in capsys.readouterr().out


@pytest.mark.filterwarnings('ignore:.*found in sys.modules')
def test_torchrun_can_start_it(monkeypatch, capsys):
    # It wants a module or a file: the program has neither where it is installed.
    monkeypatch.setattr(sys, 'argv', ['train', '--help'])
    with pytest.raises(SystemExit) as info:
        runpy.run_module('mcn_ros.commands.train', run_name='__main__')
    assert info.value.code == 0 and 'key=value' in capsys.readouterr().out


def test_divergence_is_no_traceback(monkeypatch, path, capsys):
    def train(config, resume=False):
        raise FloatingPointError('loss is not finite: pose/size; images 3')

    monkeypatch.setattr(command, 'train', train)
    assert 'images 3' in failure(capsys, path)


def test_read_yaml(path):
    assert read_yaml(path) == VALUES
    path.write_text('a: 1e-3')
    assert read_yaml(path) == {'a': 0.001}


@pytest.mark.parametrize('text', [
    'a: !!bool foo', 'a: !!timestamp foo', 'a: 2026-13-45', 'a: !!int "_"', 'a: !!float x',
    'a: "\\UFFFFFFFF"', '[' * 5000, 'a: ' + '1' * 10_000, '!!python/object/apply:os.getpid []',
    b'\xff\xfe\0', b'\x80', 'a: &a [*a', '{[]: 1}', '- 1', ''])
def test_a_file_that_is_no_configuration_is_named(tmp_path, text):
    path = tmp_path / 'c.yaml'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=f'^{path}: ') as caught:
        read_yaml(path)
    assert '\n' not in str(caught.value)


@settings(max_examples=100)
@given(strategies.binary(max_size=40) | strategies.tuples(
    strategies.integers(0, 10 ** 6), strategies.integers(0, 255), strategies.integers(0, 10 ** 6)))
def test_damaged_configurations_are_refused_or_read(tmp_path_factory, damage):
    data = bytearray(yaml.safe_dump(VALUES).encode())
    if isinstance(damage, bytes):
        data = damage
    else:
        data[damage[0] % len(data)] = damage[1]
        data = data[:damage[2] % (2 * len(data))]
    path = tmp_path_factory.getbasetemp() / 'damaged.yaml'
    path.write_bytes(data)
    try:
        from_dict(TrainConfig, read_yaml(path))
    except ValueError as error:
        assert len(str(error)) < 2000


def test_repetitions_do_not_multiply_in_errors(tmp_path):
    path = tmp_path / 'c.yaml'
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    lines += [f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 10)}]' for i in range(1, 30)]
    path.write_text('\n'.join([*lines, 'run: *a29']))
    values = read_yaml(path)
    with pytest.raises(ValueError, match='^run: expected str, got .{1,1000}$'):
        from_dict(TrainConfig, {'run': values['run']})


def test_an_error_of_a_configuration_names_its_file(tmp_path, capsys):
    path = tmp_path / 'run.yaml'
    path.write_text('stepps: 3')
    with pytest.raises(SystemExit):
        main([str(path)])
    assert f'error: {path}: ' in capsys.readouterr().err
