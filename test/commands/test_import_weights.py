# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Weights of public networks become weights files."""

import pytest

from mcn_ros.commands import import_weights
from mcn_ros.commands.import_weights import main, SOURCES
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.weights_file import load_model


@pytest.fixture
def source(monkeypatch):
    """Let there be a small network by the name of small."""
    def read(path):
        if path.name == 'bad':
            raise ValueError(f'{path}: lacks a weight')
        tasks = {'pose': {'kind': 'window_pose', 'head': {'width': 8}}}
        return MultiTaskNet(ModelConfig(tasks, TrunkConfig('shufflenet_v2_x0_5', channels=8)))

    monkeypatch.setattr(import_weights, 'SOURCES', {**SOURCES, 'small': read})


def test_a_network_is_written(source, tmp_path, capsys):
    out = tmp_path / 'new' / 'w.safetensors'
    main(['small', 'file', str(out)])
    assert load_model(out).config.input_size == (512, 512)
    assert capsys.readouterr().out.startswith(f'{out}: pose; ')
    main(['small', 'file', str(out), '--input-size', '256', '320'])
    assert load_model(out).config.input_size == (256, 320)


@pytest.mark.parametrize('arguments, words', [
    (['small', 'bad', '{out}'], 'bad: lacks a weight'),
    (['small', 'good', '{out}', '--input-size', '60', '64'], 'input_size'),
    (['movenet', 'nothing', '{out}'], 'nothing: is not a readable safetensors file')])
def test_what_is_wrong_is_told_in_one_line(source, tmp_path, capsys, arguments, words):
    out = tmp_path / 'w.safetensors'
    with pytest.raises(SystemExit) as info:
        main([argument.format(out=out) for argument in arguments])
    error = capsys.readouterr().err
    assert info.value.code == 1 and words in error and error.count('\n') == 1
    assert not out.exists()


def test_unknown_networks_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(['magic', 'file', str(tmp_path / 'w')])
    assert 'movenet' in capsys.readouterr().err
