# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Numbers that are not finite: told with their images, at once or a few batches later."""

import math

import pytest
import torch
from torch import nn

from mcn_ros.trainer.finite import finite_statistics, FiniteWatch

GOOD, BAD = torch.tensor(1.0), torch.tensor(math.nan)


def scaler(scale=None):
    return torch.amp.GradScaler('cpu', init_scale=scale or 1.0, enabled=scale is not None)


def test_it_tells_at_once():
    watch = FiniteWatch(scaler())
    watch.images = ['a', 'b']
    watch.add('loss is', {'x': GOOD})
    with pytest.raises(FloatingPointError, match='^loss is not finite: y; images a, b$'):
        watch.add('loss is', {'x': GOOD, 'y': BAD})


def test_it_tells_later_which_batch_it_was():
    watch = FiniteWatch(scaler(), patience=4)
    for image, value in zip('abc', (GOOD, BAD, BAD)):
        watch.images = [image]
        watch.add('gradients are', {'all': value})
    with pytest.raises(FloatingPointError, match='^gradients are not finite: all; images b$'):
        watch.check()
    watch.check()  # it has been told
    for _ in range(3):
        watch.add('loss is', {'x': GOOD})
    with pytest.raises(FloatingPointError, match='^loss is not finite: x'):
        watch.add('loss is', {'x': BAD})


@pytest.mark.parametrize('scale, ends', [(65536.0, False), (1.0, False), (0.5, True)])
def test_overflows_of_scaled_losses_end_a_training_only_if_they_last(scale, ends):
    watch = FiniteWatch(scaler(scale))
    if not ends:
        watch.add('loss is', {'x': BAD})
        return
    with pytest.raises(FloatingPointError):
        watch.add('loss is', {'x': BAD})


def test_statistics_stay_finite():
    layer = nn.BatchNorm2d(2)
    x = torch.randn(2, 2, 3, 3)
    x[0, 1] = math.inf
    with finite_statistics(layer):
        layer(x)
    assert layer.running_mean.isfinite().all() and layer.running_var.isfinite().all()
    assert layer.running_mean[0] != 0 and layer.running_mean[1] == 0
