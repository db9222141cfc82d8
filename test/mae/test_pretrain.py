# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The training without labels: it learns, and an interruption changes nothing."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
import torch
import yaml

from mcn_ros.config import from_dict, to_dict
from mcn_ros.data.bag_writer import BagConfig, write_bag
from mcn_ros.data.frames import read_frames
from mcn_ros.mae import pretrain as module
from mcn_ros.mae.config import PretrainConfig
from mcn_ros.mae.convolutional import ConvolutionalConfig
from mcn_ros.mae.model import MaskedAutoencoder, SIZES
from mcn_ros.mae.pretrain import load_autoencoder, pretrain
from mcn_ros.network.backbones import BACKBONES
from mcn_ros.network.backbones.pretrained import load_backbone

PATIENCE = 120  # seconds
SMALL = ConvolutionalConfig('shufflenet_v2_x0_5', 8)
SPARK = {'model': SMALL, 'method': 'spark', 'side': 64}


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    random = np.random.default_rng(0)
    for number in range(4):
        image = np.full((40, 50, 3), random.integers(0, 255, 3), np.uint8)
        image[10:30, 10:30] = random.integers(0, 255, 3)
        cv2.imwrite(str(folder / f'{number}.png'), image)
    return folder


def settings(folder, run, **changes):
    fields = {'images': (str(folder),), 'side': 48, 'batch': 2, 'steps': 6, 'warmup_steps': 1,
              'save_every': 3, 'workers': 1, 'device': 'cpu'}
    return PretrainConfig(run=str(run), **{'model': SIZES['toy'], **fields, **changes})


@pytest.fixture(scope='module')
def run(images, tmp_path_factory):
    """Return the folder of a training."""
    folder = tmp_path_factory.mktemp('run')
    pretrain(settings(images, folder))
    return folder


@pytest.fixture(scope='module')
def spark_run(images, tmp_path_factory):
    """Return the folder of a training of a convolutional backbone."""
    folder = tmp_path_factory.mktemp('spark')
    pretrain(settings(images, folder, **SPARK))
    return folder


def weights(run):
    return torch.load(run / 'checkpoint.pt')['model']


def before_update(number, act):
    """Return an update that calls ``act`` when it comes to a batch."""
    real, calls = module._update, []

    def update(*args):
        calls.append(None)
        if len(calls) == number:
            act()
        return real(*args)

    return update


def assert_same(run, other):
    found, expected = weights(other), weights(run)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_training_that_was_interrupted_ends_with_the_same_weights(images, run, tmp_path,
                                                                    monkeypatch):
    def fail():
        raise KeyboardInterrupt

    monkeypatch.setattr(module, '_update', before_update(5, fail))  # two beyond the checkpoint
    with pytest.raises(KeyboardInterrupt):
        pretrain(settings(images, tmp_path))
    assert torch.load(tmp_path / 'checkpoint.pt')['step'] == 3
    loss = pretrain(settings(images, tmp_path, save_every=6))
    assert_same(run, tmp_path)
    assert loss == torch.load(run / 'checkpoint.pt')['loss']
    monkeypatch.setattr(module, '_update', fail)
    assert pretrain(settings(images, tmp_path)) == loss  # nothing is left


def main(number, config):
    """Train, and be killed before a batch."""
    torch.set_num_threads(1)
    module._update = before_update(int(number), lambda: os.kill(os.getpid(), signal.SIGKILL))
    pretrain(from_dict(PretrainConfig, yaml.safe_load(Path(config).read_text())))


def test_a_training_that_is_killed_goes_on(images, spark_run, tmp_path):
    config = settings(images, tmp_path / 'run', **SPARK)
    (tmp_path / 'config.yaml').write_text(yaml.safe_dump(to_dict(config)))
    path = os.pathsep.join([str(Path(module.__file__).parents[2]),
                            os.environ.get('PYTHONPATH', '')])
    process = subprocess.run(
        [sys.executable, __file__, '5', str(tmp_path / 'config.yaml')],
        env={**os.environ, 'PYTHONPATH': path}, capture_output=True, text=True, timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert torch.load(tmp_path / 'run' / 'checkpoint.pt')['step'] == 3
    pretrain(config)
    assert_same(spark_run, tmp_path / 'run')


def test_a_training_that_is_asked_to_stop_saves_first(images, spark_run, tmp_path, monkeypatch,
                                                      capfd):
    config = settings(images, tmp_path, **SPARK)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, '_update', before_update(2, lambda: signal.raise_signal(
            signal.SIGTERM)))
        pretrain(config)
    assert torch.load(tmp_path / 'checkpoint.pt')['step'] == 2
    assert 'stopped after step 2; the same command goes on' in capfd.readouterr().err
    pretrain(config)
    assert_same(spark_run, tmp_path)


def test_the_backbone_is_one_that_others_load(run):
    backbone = BACKBONES['vit_toy_p8']()
    load_backbone(backbone, run / 'backbone.pth')
    trained = weights(run)
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, trained[f'backbone.{name}']), name


@pytest.mark.parametrize('method, name', [
    ('spark', 'resnet18'), ('spark', 'shufflenet_v2_x1_0'), ('spark', 'dla34'),
    ('simmim', 'shufflenet_v2_x1_0')])
def test_convolutional_backbones_have_their_public_names(images, tmp_path, method, name):
    pretrain(settings(images, tmp_path, **{
        **SPARK, 'method': method, 'model': ConvolutionalConfig(name, 8), 'steps': 1}))
    backbone = BACKBONES[name]()
    load_backbone(backbone, tmp_path / 'backbone.pth')
    trained, found = weights(tmp_path), backbone.state_dict()
    prefix = 'encoder.backbone.' if method == 'spark' else 'backbone.'
    assert all(torch.equal(value, trained[prefix + key]) for key, value in found.items())
    # As torchvision calls them, where it has them: no decoder, and nothing of this package.
    public = torch.load(tmp_path / 'backbone.pth')['state_dict']
    assert len(public) == len(found) and not any(key.startswith('stages.') for key in public)


def test_a_card_says_what_it_was_learned_from(images, tmp_path):
    bag = tmp_path / 'bag'
    write_bag(bag, list(read_frames(str(images))), BagConfig(rate=1.0))
    loss = pretrain(settings(images, tmp_path / 'run', **SPARK, steps=1, images=(
        str(images), str(bag))))
    card = json.loads((tmp_path / 'run' / 'backbone.json').read_text())
    assert card.pop('sources') == [
        {'images': str(images), 'frames': 4, 'topics': {}, 'unreadable': 0},
        {'images': str(bag), 'frames': 4, 'topics': {BagConfig().full_topic: 4},
         'unreadable': 0}]
    assert card == {'method': 'spark', 'backbone': 'shufflenet_v2_x0_5', 'side': 64, 'batch': 2,
                    'steps': 1, 'loss': loss, 'frames': 8}


def test_it_shows_what_it_does(run):
    assert cv2.imread(str(run / 'pictures' / 'step_000006.png')).shape == (2 * 48, 3 * 48, 3)
    events = EventAccumulator(str(run / 'tensorboard'))
    events.Reload()
    assert [event.step for event in events.Scalars('train/loss')] == [3, 6]
    assert [event.step for event in events.Images('train/reconstruction')] == [3, 6]


def test_it_learns(images, tmp_path):
    losses = [pretrain(settings(images, tmp_path / str(steps), steps=steps, batch=8, seed=1,
                                least_crop=1.0)) for steps in (1, 40)]
    assert losses[1] < 0.7 * losses[0]


def test_biases_norms_and_tokens_do_not_decay():
    decaying, kept = module._groups(MaskedAutoencoder(SIZES['toy']), 0.05)
    assert (decaying['weight_decay'], kept['weight_decay']) == (0.05, 0)
    assert all(value.ndim > 1 for value in decaying['params'])
    assert sum(value.ndim == 3 for value in kept['params']) == 2
    total = sum(value.numel() for group in (decaying, kept) for value in group['params'])
    assert total == 354_336 + 68_864


def test_a_folder_of_other_settings_is_refused(images, run):
    before = (run / 'checkpoint.pt').read_bytes()
    with pytest.raises(ValueError, match=r'other settings \(seed: 0, not 1\)'):
        pretrain(settings(images, run, seed=1))
    assert (run / 'checkpoint.pt').read_bytes() == before


def test_a_damaged_checkpoint_is_refused(images, run, tmp_path):
    (tmp_path / 'checkpoint.pt').write_bytes((run / 'checkpoint.pt').read_bytes()[:5000])
    with pytest.raises(ValueError, match='checkpoint.pt: cannot be read'):
        pretrain(settings(images, tmp_path))
    torch.save({'step': 3}, tmp_path / 'checkpoint.pt')
    with pytest.raises(ValueError, match='checkpoint.pt: does not fit'):
        pretrain(settings(images, tmp_path))
    with pytest.raises(ValueError, match='checkpoint.pt: holds no masked autoencoder'):
        load_autoencoder(tmp_path / 'checkpoint.pt')


def test_another_network_is_no_autoencoder(spark_run):
    with pytest.raises(ValueError, match='holds no masked autoencoder: but a Spark'):
        load_autoencoder(spark_run / 'checkpoint.pt')


def test_a_loss_that_is_not_finite_ends_it(images, tmp_path, monkeypatch):
    monkeypatch.setattr(module, '_update', lambda *args: torch.tensor(torch.nan))
    with pytest.raises(FloatingPointError, match='step 3'):
        pretrain(settings(images, tmp_path))
    assert not (tmp_path / 'checkpoint.pt').exists()


@pytest.mark.parametrize('side', [50, 8])
def test_a_size_has_to_be_of_patches(images, tmp_path, side):
    with pytest.raises(ValueError, match=f'side: {side} is no multiple of the patch, 8'):
        pretrain(settings(images, tmp_path, side=side))


if __name__ == '__main__':
    main(*sys.argv[1:])
