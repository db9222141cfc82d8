# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Recomputed activations: nobody can tell, but for the memory."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from mcn_ros.network.recompute import recomputed


def module(momentum=0.1):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=momentum), nn.Dropout(),
                         nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2))


def run(net, function, steps=3):
    """Return outputs, gradients and buffers after some passes over random images."""
    torch.manual_seed(1)
    outputs = []
    for _ in range(steps):
        outputs.append(function(net, torch.randn(2, 3, 8, 8)))
        outputs[-1].square().sum().backward()
    return [*outputs, *(value.grad for value in net.parameters()), *net.buffers()]


def plainly(net, images):
    return net(images)


@pytest.mark.parametrize('momentum', [0.1, None])
@pytest.mark.parametrize('training', [True, False])
def test_outputs_gradients_and_statistics_are_the_same(training, momentum):
    net = module(momentum).train(training)
    expected = run(deepcopy(net), plainly)
    for value, other in zip(run(net, recomputed), expected, strict=True):
        assert torch.equal(value, other)


def test_statistics_go_on_afterwards():
    net = module()
    run(net, recomputed, steps=1)
    assert [net[1].momentum, net[1].num_batches_tracked.item()] == [0.1, 1]
    assert 'num_batches_tracked' in dict(net[1].named_buffers())
    net(torch.randn(2, 3, 8, 8))
    assert net[1].num_batches_tracked.item() == 2


def test_it_runs_again_when_backward_needs_it():
    net, calls = module(), []
    net[0].register_forward_hook(lambda *_: calls.append(1))
    output = recomputed(net, torch.randn(2, 3, 8, 8))
    assert len(calls) == 1
    output.sum().backward()
    assert len(calls) == 2


def test_inputs_may_be_lists():
    net = nn.Bilinear(2, 3, 4)
    inputs = [torch.randn(5, 2, requires_grad=True), torch.randn(5, 3, requires_grad=True)]

    class Pair(nn.Module):

        def forward(self, pair):
            return net(*pair)

    recomputed(Pair(), inputs).sum().backward()
    gradients = [value.grad.clone() for value in inputs]
    expected = torch.autograd.grad(net(*inputs).sum(), inputs)
    assert all(torch.equal(value, other) for value, other in zip(gradients, expected))
