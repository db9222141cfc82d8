# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A weights file becomes another one."""

import pytest
import torch

from mcn_ros.commands.convert_weights import main, with_thresholds
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.weights_file import load_model, save_model


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'source.safetensors'
    fields = {'classes': ['cup'], 'head': {'width': 8}}
    trunk = TrunkConfig('shufflenet_v2_x0_5', channels=8)
    save_model(MultiTaskNet(ModelConfig({'detection': fields, 'segmentation': fields}, trunk)),
               path)
    return path


def test_some_heads_for_another_size(source, tmp_path, capsys):
    out = tmp_path / 'out.safetensors'
    main([str(source), str(out), '--heads', 'segmentation', '--input-size', '96', '160'])
    model, before = load_model(out), load_model(source).state_dict()
    assert list(model.tasks) == ['segmentation']
    assert model.config.input_size == (96, 160)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert capsys.readouterr().out.startswith(f'{out}: segmentation; ')


def test_half_the_bytes_and_nearly_the_same_numbers(source, tmp_path):
    out = tmp_path / 'out.safetensors'
    main([str(source), str(out), '--half'])
    assert out.stat().st_size < 0.6 * source.stat().st_size
    before = load_model(source).state_dict()
    for name, value in load_model(out).state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=1e-3, atol=1e-6)


def test_other_thresholds(tmp_path):
    source, out = tmp_path / 'source.safetensors', tmp_path / 'out.safetensors'
    tasks = {name: {'kind': 'boundaries', 'head': {'width': 8}} for name in ('boundaries', 'rims')}
    save_model(MultiTaskNet(ModelConfig(tasks, TrunkConfig('shufflenet_v2_x0_5', channels=8))),
               source)
    main([str(source), str(out), '--thresholds', 'rims=0.25'])
    assert {name: task.threshold for name, task in load_model(out).tasks.items()} == {
        'boundaries': 0.5, 'rims': 0.25}
    for wrong, message in (('rims=1.5', 'threshold: 1.5 is not in 0..1'),
                           ('rims=high', "'high' is no number"),
                           ('edges=0.5', "'edges=0.5' is not HEAD=T .*: boundaries, rims")):
        with pytest.raises(ValueError, match=message):
            with_thresholds(load_model(source).config, [wrong])


@pytest.mark.parametrize('arguments, message', [
    (['--heads', 'pose'], 'heads: pose'), (['--thresholds', 'detection=0.5'], 'threshold: none'),
    (['--input-size', '100', '100'], 'input_size'), (['--half'], 'is too large')])
def test_what_cannot_be_writes_nothing(source, tmp_path, arguments, message, capsys):
    if arguments == ['--half']:
        model = load_model(source)
        with torch.no_grad():
            model.heads['detection'].maps['heatmap'][-1].bias.fill_(1e6)
        source = tmp_path / 'large.safetensors'
        save_model(model, source)
    with pytest.raises(SystemExit):
        main([str(source), str(tmp_path / 'out.safetensors'), *arguments])
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out.safetensors').exists()
