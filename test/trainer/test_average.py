# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The running average of weights: its values, its state and what it costs."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.utils._python_dispatch import TorchDispatchMode

from mcn_ros.trainer.average import RunningAverage


def network(value=1.0):
    """Return layers with parameters and statistics of one value."""
    model = nn.Sequential(*(nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2))
                            for _ in range(20)))
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.fill_(value)
    return model


def values(average):
    return {value.double().mean().item() for value in average.module.state_dict().values()
            if value.is_floating_point()}


def test_it_forgets_its_start():
    average = RunningAverage(network(100.0), 0.99)  # random weights
    for _ in range(50):
        average.update(network(1.0))
    assert max(values(average)) == pytest.approx(1.0, abs=0.01)
    average.count = 10 ** 6
    average.update(network(2.0))
    assert max(values(average)) == pytest.approx(1.01, abs=1e-3)


def test_it_is_that_of_the_formula_and_of_older_checkpoints():
    """Those of PyTorch are of the same rule, tensor by tensor, and their state is taken over."""
    def rule(old, new, count):
        share = ((1 + count) / (10 + count)).clamp(max=0.9)
        return old * share + new * (1 - share)

    torch.manual_seed(0)
    mine, theirs = RunningAverage(network(), 0.9), AveragedModel(
        network(), avg_fn=rule, use_buffers=True)
    for step in range(12):
        model = network(step)
        for tensor in model.parameters():
            tensor.data.normal_()
        mine.update(model)
        theirs.update_parameters(model)
    state = theirs.state_dict()
    assert mine.state_dict().keys() == state.keys()
    for name, value in mine.state_dict().items():
        if 'tracked' in name:  # a count, of which there is no average
            continue
        torch.testing.assert_close(value, state[name])
    again = RunningAverage(network(), 0.9)
    again.load_state_dict(state)
    assert again.count == 12 and values(again) == {
        value.double().mean().item() for value in theirs.module.state_dict().values()
        if value.is_floating_point()}


class Operators(TorchDispatchMode):
    """Counts operators, and those of them that look at a number."""

    def __init__(self):
        super().__init__()
        self.count = self.waits = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if 'detach' not in str(func):
            self.count += 1
        self.waits += '_local_scalar_dense' in str(func)
        return func(*args, **(kwargs or {}))


def test_an_update_is_a_few_operators_and_waits_for_nothing():
    average, model = RunningAverage(network(), 0.9), network(2.0)
    average.update(model)
    with Operators() as mine:
        average.update(model)
    assert mine.count <= 3 and mine.waits == 0
