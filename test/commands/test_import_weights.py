# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Public networks become weights files."""

from pathlib import Path

import pytest
import torch

from mcn_ros.commands import import_weights
from mcn_ros.commands.import_weights import main, SOURCES, with_channels
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.weights_file import load_model

WEIGHTS = Path(__file__).parents[3] / 'shared/data/weights'
FILES = {'movenet': WEIGHTS / 'movenet_multipose.safetensors',
         'nanodet': WEIGHTS / 'nanodet_m.pth',
         'nanodet_plus': WEIGHTS / 'nanodet_plus_m.onnx'}


@pytest.mark.parametrize('source', FILES)
def test_a_public_network(tmp_path, capsys, source):
    if not FILES[source].exists():
        pytest.skip('the public weights are not there')
    out = tmp_path / 'new' / 'w.safetensors'
    main([source, str(FILES[source]), str(out), '--input-size', '320', '384'])
    model = load_model(out)
    assert model.config.input_size == (320, 384)
    assert capsys.readouterr().out.startswith(f'{out}: {", ".join(model.tasks)}; ')


def network(neck, **task):
    torch.manual_seed(1)
    trunk = TrunkConfig('shufflenet_v2_x0_5', neck, 8)
    return MultiTaskNet(ModelConfig({'detection': task}, trunk))


def test_the_map_beside_what_a_file_has_can_have_another_width():
    model = network('ghost_pan', kind='distance_detection', width=8)
    wider = with_channels(model, 12)
    assert wider.config.trunk.channels == 12
    assert wider.trunk.neck.shapes['features'].channels == 12
    for name, values in wider.state_dict().items():
        if '.top_down.' not in name:
            assert torch.equal(values, model.state_dict()[name])


def test_a_map_that_heads_read_keeps_its_width():
    with pytest.raises(ValueError, match='^channels: 12, but weights of this network are for 8'):
        with_channels(network('top_down'), 12)


@pytest.mark.parametrize('source', SOURCES)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, capsys, source):
    path, out = tmp_path / 'a.bin', tmp_path / 'w.safetensors'
    path.write_bytes(b'nonsense')
    with pytest.raises(SystemExit) as info:
        main([source, str(path), str(out)])
    error = capsys.readouterr().err
    assert info.value.code == 1 and str(path) in error and error.count('\n') == 1
    assert not out.exists()


def test_an_input_size_that_no_network_has_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(import_weights, 'SOURCES', {
        **SOURCES, 'small': lambda path: network('top_down', head={'width': 8})})
    with pytest.raises(SystemExit):
        main(['small', 'file', str(tmp_path / 'w.safetensors'), '--input-size', '60', '64'])
    assert 'input_size' in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize('source', ['nonsense', ''])
def test_only_known_networks(source, capsys):
    with pytest.raises(SystemExit):
        main([source, 'a', 'b'])
    assert 'nanodet, nanodet_plus' in capsys.readouterr().err.replace("'", '')
