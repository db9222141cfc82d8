# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints of CenterNet become weights files."""

import re

import pytest
import torch

from mcn_ros.centernet import centernet_state
from mcn_ros.centernet.names import ARCHITECTURES
from mcn_ros.commands.import_centernet import main
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.weights_file import load_model


def save(path, task, seed, architecture='resdcn_18', **fields):
    torch.manual_seed(seed)
    model = MultiTaskNet(ModelConfig({task: {'head': {'width': 8}, **fields}},
                                     ARCHITECTURES[architecture].trunk))
    state = {f'module.{name}': value for name, value in centernet_state(model, task).items()}
    torch.save({'epoch': 140, 'state_dict': state, 'optimizer': {}}, path)
    return str(path)


@pytest.fixture(scope='module')
def checkpoints(tmp_path_factory):
    """Write a checkpoint of each task."""
    folder = tmp_path_factory.mktemp('checkpoints')
    return {task: save(folder / f'{task}.pth', task, seed)
            for seed, task in enumerate(('detection', 'pose'))}


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_a_checkpoint(tmp_path, capsys):
    source = save(tmp_path / 'ctdet.pth', 'detection', 0, classes=['a', 'b'])
    out = tmp_path / 'new' / 'w.safetensors'
    main([source, str(out), '--classes', 'cat', 'dog', '--size', '384', '512'])
    model = load_model(out)
    assert model.tasks['detection'].classes == ('cat', 'dog')
    assert model.config.input_size == (384, 512)
    assert model.config.preprocessing == 'centernet'
    assert capsys.readouterr().out == (
        f'{source}: resdcn_18, detection, head_conv 8\n'
        '  left out: epoch, of the training, not of the network\n'
        '  left out: optimizer, of the training, not of the network\n'
        f'{out}: detection; {count(model):,} parameters\n')


def test_two_checkpoints(checkpoints, tmp_path, capsys):
    out = tmp_path / 'w.safetensors'
    main([checkpoints['detection'], str(out), '--pose', checkpoints['pose']])
    model = load_model(out)
    assert list(model.tasks) == ['detection', 'pose']
    assert list(model.trunk.streams()) == ['shared', 'pose']
    output = capsys.readouterr().out
    assert f'{out}: detection, pose; {count(model):,} parameters\n' in output
    assert re.search(r'two trunks, .*: 14,321,105 parameters more', output)


@pytest.mark.parametrize('arguments, named', [
    (['{nothing}', '{out}'], 'nothing.pth: cannot be read as a checkpoint'),
    (['{pose}', '{out}', '--pose', '{pose}'], 'pose.pth: for pose, as is'),
    (['{pose}', '{out}', '--pose', '{detection}'], 'detection.pth is for detection'),
    (['{pose}', '{out}', '--classes', 'person'], 'classes: given, but'),
    (['{pose}', '{out}', '--size', '60', '64'], 'input_size')])
def test_what_is_wrong_is_told_in_one_line(checkpoints, tmp_path, capsys, arguments, named):
    paths = {'nothing': str(tmp_path / 'nothing.pth'), 'out': str(tmp_path / 'w.safetensors'),
             **checkpoints}
    with pytest.raises(SystemExit) as info:
        main([argument.format(**paths) for argument in arguments])
    error = capsys.readouterr().err
    assert info.value.code == 1 and named in error and error.count('\n') == 1
    assert not (tmp_path / 'w.safetensors').exists()
