# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""ShuffleNetV2: the same as torchvision's, whatever way its channels take."""

import pytest
import torch
from torch import nn
from torchvision import models

from mcn_ros.network.backbones import BACKBONES

WIDTHS = ['x0_5', 'x1_0', 'x1_5']


def pair(width):
    """Return torchvision's stages and ours, of the same weights."""
    torch.manual_seed(0)
    public = getattr(models, f'shufflenet_v2_{width}')()
    for module in public.modules():
        if isinstance(module, nn.BatchNorm2d):  # at the start all of them do the same
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.bias)
    ours = BACKBONES[f'shufflenet_v2_{width}']()
    stages = [nn.Sequential(public.conv1, public.maxpool), public.stage2, public.stage3,
              public.stage4]
    ours.load_state_dict(nn.ModuleDict({'stages': nn.ModuleList(stages)}).state_dict())
    return nn.ModuleList(stages), ours


def run(stages, x):
    outputs = []
    for stage in stages:
        x = stage(x)
        outputs.append(x)
    return outputs


@pytest.mark.parametrize('width', WIDTHS)
def test_stages_are_those_of_torchvision(width):
    stages, ours = pair(width)
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected, found = run(stages.eval(), x), ours.eval()(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_training_is_that_of_torchvision():
    stages, ours = (network.double() for network in pair('x0_5'))
    x, gradients = torch.randn(2, 3, 64, 64, dtype=torch.float64), []
    for network, outputs in ((stages, run(stages, x)), (ours.stages, ours(x))):
        sum(output.square().mean() for output in outputs).backward()
        gradients.append({name: p.grad for name, p in network.named_parameters()})
    assert gradients[0].keys() == gradients[1].keys()
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, msg=name)
