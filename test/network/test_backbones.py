# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One contract for every backbone."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from mcn_ros.network.backbones import BACKBONES


@pytest.fixture(scope='module', params=BACKBONES)
def backbone(request):
    torch.manual_seed(0)
    return BACKBONES[request.param]()


def test_outputs_are_as_declared(backbone):
    outputs = backbone.eval()(torch.randn(1, 3, 64, 96))
    assert [tuple(output.shape) for output in outputs] == [
        (1, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(backbone.channels, backbone.strides)]
    assert all(output.isfinite().all() for output in outputs)
    assert list(backbone.strides) == sorted(backbone.strides)
    assert {4, 8, 16, 32} <= set(backbone.strides)


def test_stages_can_be_run_one_by_one(backbone):
    x = torch.randn(2, 3, 32, 64)
    with torch.no_grad():
        whole = backbone.eval()(x)
        for stage, expected in zip(backbone.stages, whole, strict=True):
            x = stage(x)
            # Later stages must not have worked in place on what came out before.
            assert torch.equal(x, expected)


def test_every_parameter_learns(backbone):
    x, backbone = torch.randn(2, 3, 64, 64), deepcopy(backbone)  # of training, nothing is left
    sum(output.pow(2).mean() for output in backbone.train()(x)).backward()
    idle = [name for name, p in backbone.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_batched_is_single(backbone):
    # Untrained deep networks have outputs so large that float32 would not do.
    x, backbone = torch.randn(2, 3, 64, 64).double(), deepcopy(backbone).double()
    with torch.no_grad():
        batched = backbone.eval()(x)
        single = [torch.cat(pair) for pair in zip(backbone(x[:1]), backbone(x[1:]))]
    torch.testing.assert_close(batched, single, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('name, millions', [
    ('dla34', 15.229), ('resnet18', 11.177), ('resnet34', 21.285), ('resnet50', 23.508),
    ('resnet101', 42.500),
    ('shufflenet_v2_x1_0', 0.776)])
def test_parameter_counts(name, millions):
    with torch.device('meta'):
        count = sum(p.numel() for p in BACKBONES[name]().parameters())
    assert count / 1e6 == pytest.approx(millions, abs=5e-4)


def test_leaky_shufflenet_differs_in_the_activation_only():
    plain, leaky = (BACKBONES[name]().eval()
                    for name in ('shufflenet_v2_x1_0', 'shufflenet_v2_x1_0_leaky'))
    leaky.load_state_dict(plain.state_dict())
    slopes = {m.negative_slope for m in leaky.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.1}
    assert not any(isinstance(m, nn.ReLU) for m in leaky.modules())
    for module in leaky.modules():
        if isinstance(module, nn.LeakyReLU):
            module.negative_slope = 0.0
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(leaky(x), plain(x))
