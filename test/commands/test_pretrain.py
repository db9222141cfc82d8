# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command pretrain."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mcn_ros.commands.pretrain import main
from mcn_ros.commands.train import read_yaml
from mcn_ros.config import from_dict
from mcn_ros.mae.pretrain import PretrainConfig

EXAMPLE = Path(__file__).parents[2] / 'config' / 'pretrain.yaml'
SMALL = ['model={backbone: vit_toy_p8, width: 16, depth: 1}', 'side=32', 'batch=2', 'steps=2',
         'workers=1', 'device=cpu']


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    cv2.imwrite(str(folder / 'a.png'), np.full((40, 40, 3), 99, np.uint8))
    return folder


def test_it_trains_and_goes_on(images, tmp_path, capsys):
    arguments = [str(EXAMPLE), f'images=[{images}]', f'run={tmp_path / "run"}', *SMALL]
    main(arguments)
    said = capsys.readouterr().out
    assert said.startswith('loss ') and said.endswith(f'{tmp_path / "run" / "backbone.pth"}\n')
    assert (tmp_path / 'run' / 'backbone.pth').is_file()
    before = (tmp_path / 'run' / 'checkpoint.pt').stat().st_mtime_ns
    main(arguments)
    assert capsys.readouterr().out == said
    assert (tmp_path / 'run' / 'checkpoint.pt').stat().st_mtime_ns == before


def test_the_example_is_one():
    config = from_dict(PretrainConfig, read_yaml(EXAMPLE))
    assert config.model.backbone == 'vit_tiny_p16' and config.model.norm_pix


@pytest.mark.parametrize('override, words', [
    ('steps=0', 'steps: 0 is not positive'), ('images=[absent]', "'absent' is no folder"),
    ('step=3', "did you mean 'steps'"), ('model={backbone: dla34}', 'not one of vit_toy_p8'),
    ('run=images/a.png', 'a.png is not a folder')])
def test_what_is_wrong_is_said_in_one_line(images, tmp_path, override, words, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main([str(EXAMPLE), f'images=[{images}]', 'run=run', *SMALL, override])
    error = capsys.readouterr().err
    assert caught.value.code == 1 and words in error and error.count('\n') == 1
    assert not (tmp_path / 'run').exists()
