# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Public networks become weights files."""

from pathlib import Path

import pytest

from mcn_ros.commands.import_weights import main, SOURCES
from mcn_ros.weights_file import load_model

WEIGHTS = Path(__file__).parents[3] / 'shared/data/weights'
FILES = {'nanodet': WEIGHTS / 'nanodet_m.pth', 'nanodet_plus': WEIGHTS / 'nanodet_plus_m.onnx'}


@pytest.mark.parametrize('source', FILES)
def test_a_public_network(tmp_path, capsys, source):
    if not FILES[source].exists():
        pytest.skip('the public weights are not there')
    out = tmp_path / 'new' / 'w.safetensors'
    main([source, str(FILES[source]), str(out), '--input-size', '320', '384'])
    model = load_model(out)
    assert model.config.input_size == (320, 384)
    assert capsys.readouterr().out.startswith(f'{out}: detection; 1,')


@pytest.mark.parametrize('source', SOURCES)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, capsys, source):
    path, out = tmp_path / 'a.bin', tmp_path / 'w.safetensors'
    path.write_bytes(b'nonsense')
    with pytest.raises(SystemExit) as info:
        main([source, str(path), str(out)])
    error = capsys.readouterr().err
    assert info.value.code == 1 and str(path) in error and error.count('\n') == 1
    assert not out.exists()


@pytest.mark.parametrize('source', ['nonsense', ''])
def test_only_known_networks(source, capsys):
    with pytest.raises(SystemExit):
        main([source, 'a', 'b'])
    assert 'nanodet, nanodet_plus' in capsys.readouterr().err.replace("'", '')
