# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command pretrain."""

import functools
from pathlib import Path
import re

import cv2
import numpy as np
import pytest

from mcn_ros.commands.experiments import parse, plan, read_experiments
from mcn_ros.commands.pretrain import main
from mcn_ros.commands.train import apply_override, read_yaml
from mcn_ros.config import from_dict
from mcn_ros.mae.pretrain import PretrainConfig

CONFIG = Path(__file__).parents[2] / 'config'
EXAMPLE, SPARK = CONFIG / 'pretrain.yaml', CONFIG / 'pretrain_spark.yaml'
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


def test_the_example_of_convolutions_is_one():
    config = from_dict(PretrainConfig, read_yaml(SPARK))
    assert config.method == 'spark' and config.model.norm_pix
    assert config.warmup_steps == 0.05 * config.steps
    assert config.learning_rate == 1e-3 * config.batch / 256


def test_the_experiments_begin_with_what_it_makes(monkeypatch):
    monkeypatch.chdir(CONFIG.parent)
    path = 'config/experiments/pretraining.yaml'
    made, small = set(), re.search(r'SMALL is: (.*)', Path(path).read_text())[1].split()
    for line in re.findall(r'#   pretrain (.*) SMALL', Path(path).read_text()):
        name, *overrides = line.split()
        values = functools.reduce(apply_override, [*overrides, *small], read_yaml(Path(name)))
        config = from_dict(PretrainConfig, values)
        assert config.model.backbone == 'shufflenet_v2_x1_0'
        made.add(f'{config.run}/backbone.pth')
    args = parse([path, '--runs', 'nowhere'])
    experiments = read_experiments(args)
    trials = plan(experiments, args.runs)
    assert made == {trial.config.backbone_weights for trial in trials
                    if 'detector' not in trial.network} - {None}
    studied = {name for study in experiments.studies for name in study.networks}
    assert studied == {trial.network for trial in trials}


def test_foreground_starts_from_what_it_makes_or_from_nothing(monkeypatch):
    monkeypatch.chdir(CONFIG.parent)
    path = 'config/experiments/foreground.yaml'
    made = {from_dict(PretrainConfig, read_yaml(Path(name))).run + '/backbone.pth'
            for name in re.findall(r'#   pretrain (.*)', Path(path).read_text())}
    drawn = set(re.findall(r'--out (\S+)', Path(path).read_text()))
    args = parse([path, '--runs', 'nowhere'])
    experiments = read_experiments(args)
    trials = plan(experiments, args.runs)
    for trial in trials:
        random = trial.network.startswith('random')
        assert {trial.config.backbone_weights} == ({None} if random else made)
        assert bool(trial.config.rates) != random
        (data,), kind = trial.config.datasets, trial.config.model.trunk.kind
        assert {str(Path(data.annotations).parent), str(Path(data.images).parent)} <= drawn
        assert (kind == 'decoded') == trial.network.startswith(('decoder', 'hidden'))
    studied = {name for study in experiments.studies for name in study.networks}
    assert studied == {trial.network for trial in trials}


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
