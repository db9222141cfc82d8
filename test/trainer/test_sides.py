# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Losses of scales that count less and less, and those that do not."""

from dataclasses import replace

import pytest

from mcn_ros.model import ModelConfig
from mcn_ros.tasks.segmentation import SegmentationTask
from mcn_ros.trainer.train import train

pytestmark = pytest.mark.usefixtures('monitors')


@pytest.fixture
def skip(config):
    """Return a training of a tiny network whose head is a sum over two scales."""
    tasks = {'segmentation': {'classes': ['person', 'car'], 'side_weight': 0.5}}
    trunk = {'kind': 'skip', 'backbone': 'shufflenet_v2_x0_5', 'scales': [1, 2]}
    return replace(config, model=ModelConfig(tasks, trunk, (64, 64)))


def weights_of(config, monkeypatch):
    """Train; return the weight of the losses of scales in each batch."""
    weights, loss = [], SegmentationTask.loss
    monkeypatch.setattr(SegmentationTask, 'loss', lambda task, *maps: (
        weights.append(task.side_weight), loss(task, *maps))[1])
    train(config)
    return weights


def test_they_fade(skip, monkeypatch):
    skip = replace(skip, graduated_sides=True)
    assert weights_of(skip, monkeypatch) == [0.5, 0.375, 0.25, 0.125]
    weights = weights_of(replace(skip, run=f'{skip.run}_other', graduated_sides=False),
                         monkeypatch)
    assert weights == [0.5] * 4


def test_without_sums_there_is_nothing_to_fade(config):
    with pytest.raises(ValueError, match='^graduated_sides: no head is a sum over scales'):
        train(replace(config, graduated_sides=True))
