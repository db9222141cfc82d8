# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Settings of a run: what makes no sense is refused by name, before anything is made."""

from dataclasses import replace
import math

import pytest

from mcn_ros.config import from_dict, to_dict
from mcn_ros.model import ModelConfig
from mcn_ros.trainer.balance import BALANCES
from mcn_ros.trainer.config import DatasetConfig, TrainConfig
from mcn_ros.trainer.owners import OPTIMIZERS

ALL = {'trunk': 30, 'detection': 2, 'pose': 10}


@pytest.fixture
def config():
    return TrainConfig('run', ModelConfig({'detection': {'classes': ('person',)}, 'pose': {}}),
                       (DatasetConfig('a.json', 'images'),))


@pytest.mark.parametrize('change, message', [
    ({'steps': -1}, 'steps: -1 is negative'), ({'batch_size': -1}, 'batch_size'),
    ({'save_every': 0}, 'save_every'), ({'validate_every': 0}, 'validate_every'),
    ({'max_norm': -1.0}, 'max_norm: -1.0 is negative'),
    ({'max_norm': math.nan}, 'max_norm: nan'),
    ({'keep': {'backbone': 1.0}, 'sync_batch_norm': True}, 'keep: not together with sync_'),
    ({'workers': -1}, 'workers: -1 is negative'), ({'warmup_steps': -1}, 'warmup_steps'),
    ({'overlays': -1}, 'overlays'), ({'seed': -1}, 'seed: -1'),
    ({'ema_decay': 1.0}, r'ema_decay: 1.0 is not in 0\.\.1'), ({'ema_decay': -0.1}, 'ema_decay'),
    ({'datasets': ()}, 'datasets: none given'),
    ({'train_size': (64, 60)}, r'train_size: \(64, 60\) are no positive multiples of 32'),
    ({'milestones': (5,)}, r'milestones: \(5,\) with schedule cosine, but schedule step'),
    ({'schedule': 'step'}, 'milestones: none with schedule step, but schedule step needs them'),
    ({'loss_weights': {'pose/siz': 1.0}}, r'loss_weights: unknown pose/siz \(known: .*pose/size'),
    ({'loss_weights': {'segmentation/cross_entropy': 1.0}}, 'loss_weights: unknown segmentation'),
    ({'effective_batches': {**ALL, 'depth': 3}},
     r'effective_batches: unknown depth \(known: trunk, detection, pose\)'),
    ({'effective_batches': {'trunk': 3, 'pose': 2}},
     r'effective_batches: detection missing \(needed: trunk, detection, pose\)'),
    ({'effective_batches': {**ALL, 'pose': 0}}, 'effective_batches.pose: 0 is not positive')])
def test_bad_values(config, change, message):
    with pytest.raises(ValueError, match=f'^{message}'):
        replace(config, **change)


@pytest.mark.parametrize('change', [
    {'loss_weights': {'pose/size': 2.0, 'detection/heatmap': 0.0}}, {'effective_batches': ALL},
    {'schedule': 'step', 'milestones': (5, 8)},
    {'overlays': 0, 'workers': 0, 'warmup_steps': 0, 'steps': 0},
    {'ema_decay': 0.0, 'max_norm': 0.0, 'sync_batch_norm': True},
    {'frozen': ('trunk.backbone',)}])
def test_good_values_come_back_from_a_file(config, change):
    changed = replace(config, **change)
    assert to_dict(from_dict(TrainConfig, to_dict(changed))) == to_dict(changed)


@pytest.mark.parametrize('name, known', [
    ('optimizer', OPTIMIZERS), ('balance', BALANCES), ('schedule', ('cosine', 'step', 'constant')),
    ('backward', ('taskwise', 'joint')), ('on_unreadable_image', ('stop', 'skip'))])
def test_choices_are_those_that_there_are(config, name, known):
    values = to_dict(config)
    for choice in known:
        extra = {'milestones': [5]} if choice == 'step' else {}
        assert getattr(from_dict(TrainConfig, {**values, **extra, name: choice}), name) == choice
    with pytest.raises(ValueError, match=f"^{name}: 'best' is not one of {', '.join(known)}$"):
        from_dict(TrainConfig, {**values, name: 'best'})


def test_data_sets_that_take_turns_have_no_weights(config):
    weighted = (replace(config.datasets[0], weight=2.0),)
    assert replace(config, switch_every=3).switch_every == 3
    with pytest.raises(ValueError, match='^switch_every: a.json has a weight, but data'):
        replace(config, switch_every=3, datasets=weighted)
    with pytest.raises(ValueError, match='^switch_every: -1 is negative'):
        replace(config, switch_every=-1)
