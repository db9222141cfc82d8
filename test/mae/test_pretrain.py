# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The training of a masked autoencoder: it learns, and an interruption changes nothing."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
import torch

from mcn_ros.mae import pretrain as module
from mcn_ros.mae.model import AutoencoderConfig, MaskedAutoencoder, SIZES
from mcn_ros.mae.pretrain import (draw_reconstruction, load_autoencoder, normalise, pretrain,
                                  PretrainConfig, relative_rate)
from mcn_ros.network.backbones import BACKBONES
from mcn_ros.network.backbones.pretrained import load_backbone


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    random = np.random.default_rng(0)
    for number in range(4):
        image = np.full((40, 50, 3), random.integers(0, 255, 3), np.uint8)
        image[10:30, 10:30] = random.integers(0, 255, 3)
        cv2.imwrite(str(folder / f'{number}.png'), image)
    return folder


def settings(images, run, **changes):
    fields = {'side': 48, 'batch': 2, 'steps': 6, 'warmup_steps': 1, 'save_every': 3,
              'workers': 1, 'device': 'cpu'}
    return PretrainConfig((str(images),), str(run), SIZES['toy'], **{**fields, **changes})


@pytest.fixture(scope='module')
def run(images, tmp_path_factory):
    """Return the folder of a training."""
    folder = tmp_path_factory.mktemp('run')
    pretrain(settings(images, folder))
    return folder


def weights(run):
    return load_autoencoder(run / 'checkpoint.pt').state_dict()


def test_a_training_that_was_interrupted_ends_with_the_same_weights(images, run, tmp_path,
                                                                    monkeypatch):
    calls, update = [], module._update

    def fail(*args):
        calls.append(None)
        if len(calls) == 5:  # two beyond the checkpoint
            raise KeyboardInterrupt
        return update(*args)
    monkeypatch.setattr(module, '_update', fail)
    with pytest.raises(KeyboardInterrupt):
        pretrain(settings(images, tmp_path))
    assert torch.load(tmp_path / 'checkpoint.pt')['step'] == 3
    loss = pretrain(settings(images, tmp_path, save_every=6))
    assert len(calls) == 5 + 3
    whole, resumed = weights(run), weights(tmp_path)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert loss == torch.load(run / 'checkpoint.pt')['loss']
    assert pretrain(settings(images, tmp_path)) == loss and len(calls) == 8  # nothing is left


def test_the_backbone_is_one_that_others_load(run):
    backbone = BACKBONES['vit_toy_p8']()
    load_backbone(backbone, run / 'backbone.pth')
    trained = weights(run)
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, trained[f'backbone.{name}']), name


def test_it_shows_what_it_does(run):
    assert cv2.imread(str(run / 'pictures' / 'step_000006.png')).shape == (2 * 48, 3 * 48, 3)
    events = EventAccumulator(str(run / 'tensorboard'))
    events.Reload()
    assert [event.step for event in events.Scalars('train/loss')] == [3, 6]
    assert [event.step for event in events.Images('train/reconstruction')] == [3, 6]


def test_the_picture_is_of_the_image_the_mask_and_the_reconstruction():
    torch.manual_seed(0)
    model, pixels = MaskedAutoencoder(SIZES['toy']), torch.randint(256, (1, 3, 48, 48)).byte()
    picture = draw_reconstruction(model, normalise(pixels), 0).astype(int)
    image, masked, made = np.split(picture, 3, axis=1)
    assert np.abs(image - pixels[0].permute(1, 2, 0).numpy()).max() <= 1
    hidden = (masked == 128).all(axis=2)
    assert hidden.mean() == pytest.approx(0.75, abs=0.01)
    same = np.abs(made - image).max(axis=2) <= 1
    assert same[~hidden].all() and same[hidden].mean() < 0.5


def test_norm_pix_is_taken_back_in_the_picture(monkeypatch):
    model = MaskedAutoencoder(AutoencoderConfig('vit_toy_p8', 64, 1, norm_pix=True))
    monkeypatch.setattr(model, 'forward', lambda images, keep: torch.zeros(1, 36, 192))
    pixels = torch.full((1, 3, 48, 48), 90, dtype=torch.uint8)
    picture = draw_reconstruction(model, normalise(pixels), 0).astype(int)
    # One mean is for all three colours, which are normalised in different ways.
    assert np.abs(picture[:, 96:] - 90).max() < 12


def test_it_learns(images, tmp_path):
    losses = [pretrain(settings(images, tmp_path / str(steps), steps=steps, batch=8, seed=1,
                                least_crop=1.0)) for steps in (1, 40)]
    assert losses[1] < 0.7 * losses[0]


def test_the_rate_rises_and_falls():
    config = PretrainConfig(('x',), 'y', steps=110, warmup_steps=10)
    rates = [relative_rate(step, config) for step in range(110)]
    assert rates[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert rates[10] == 1 and rates[60] == pytest.approx(0.5) and 0 < rates[109] < 0.001


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


def test_a_loss_that_is_not_finite_ends_it(images, tmp_path, monkeypatch):
    monkeypatch.setattr(module, '_update', lambda *args: torch.tensor(torch.nan))
    with pytest.raises(FloatingPointError, match='step 3'):
        pretrain(settings(images, tmp_path))
    assert not (tmp_path / 'checkpoint.pt').exists()


@pytest.mark.parametrize('changes, words', [
    ({'batch': 0}, 'batch: 0'), ({'warmup_steps': -1}, 'warmup_steps: -1'),
    ({'least_crop': 0.0}, 'least_crop'), ({'images': ()}, 'images: no folder')])
def test_settings_that_make_no_sense_are_refused(images, tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        replace(settings(images, tmp_path), **changes)


@pytest.mark.parametrize('side', [50, 8])
def test_a_size_has_to_be_of_patches(images, tmp_path, side):
    with pytest.raises(ValueError, match=f'side: {side} is no multiple of the patch, 8'):
        pretrain(settings(images, tmp_path, side=side))
