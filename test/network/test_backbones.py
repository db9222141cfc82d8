# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One contract for every backbone."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision import models

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
    # Transformers have one stage, all others a pyramid.
    assert len(backbone.strides) == 1 or {4, 8, 16, 32} <= set(backbone.strides)


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
    ('resnet101', 42.500), ('mobilenet_v2_x1_0_same', 2.224), ('mobilenet_v2_x1_5_same', 4.629),
    ('shufflenet_v2_x1_0', 0.776), ('vit_toy_p8', 0.354), ('vit_micro_p8', 1.215),
    ('vit_tiny_p8', 5.376), ('vit_tiny_p16', 5.487)])
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


def same_convolution(self, x):
    """Return what a convolution gives with the padding that TensorFlow calls SAME."""
    total = [max(0, (-(-side // step) - 1) * step + kernel - side) for side, step, kernel in
             zip(x.shape[2:], self.stride, self.kernel_size)]
    top, left = (side // 2 for side in total)
    padded = functional.pad(x, (left, total[1] - left, top, total[0] - top))
    return functional.conv2d(padded, self.weight, self.bias, self.stride, 0, 1, self.groups)


def test_mobilenet_is_padded_as_tensorflow_does(monkeypatch):
    net, backbone = models.mobilenet_v2().eval(), BACKBONES['mobilenet_v2_x1_0_same']().eval()
    names = {f'{public}.': f'{own}.' for public, own in backbone.public_names.items() if own}
    state = {next(own + key.removeprefix(public) for public, own in names.items()
                  if key.startswith(public)): value
             for key, value in net.features.state_dict(prefix='features.').items()}
    backbone.load_state_dict(state)
    x = torch.randn(1, 3, 64, 96)
    found = backbone(x)
    assert (found[-1] - net.features(x)).norm() > 0.01 * found[-1].norm()
    monkeypatch.setattr(nn.Conv2d, 'forward', same_convolution)
    expected = net.features(x)
    assert (found[-1] - expected).norm() < 1e-4 * expected.norm()
