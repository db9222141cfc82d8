# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
ShuffleNetV2 (Ma et al., ECCV 2018), torchvision's, up to the last stage.

After each unit the channels of its two halves are interleaved, as are cards, and dealt to the two
halves of the next. That is where a compiled network of torchvision's units spends a third of its
time; here the same is done with fewer numbers in motion.
"""

import torch
from torch import nn, Tensor
from torchvision import models

from mcn_ros.network.backbones.backbone import Backbone
from mcn_ros.network.blocks import ReorderedConv

_NAMES = {
    'conv1': 'stages.0.0',
    'stage2': 'stages.1',
    'stage3': 'stages.2',
    'stage4': 'stages.3',
    'conv5': None,
    'fc': None,
}


def shufflenet_v2_x0_5() -> Backbone:
    """Return the one of half the width; 0.04 GMAC at 224x224."""
    return _backbone(models.shufflenet_v2_x0_5(), (24, 48, 96, 192),
                     models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1)


def shufflenet_v2_x1_0() -> Backbone:
    """Return the one of plain width; 0.15 GMAC at 224x224."""
    return _backbone(models.shufflenet_v2_x1_0(), (24, 116, 232, 464),
                     models.ShuffleNet_V2_X1_0_Weights.IMAGENET1K_V1)


def shufflenet_v2_x1_0_leaky() -> Backbone:
    """
    Return the one of plain width with leaky ReLUs of slope 0.1.

    It is the backbone of NanoDet-m (RangiLyu/nanodet), whose weights from COCO fit no other.
    """
    net = models.shufflenet_v2_x1_0()
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.ReLU):
                setattr(parent, name, nn.LeakyReLU(0.1, inplace=True))
    return _backbone(net, (24, 116, 232, 464))


def shufflenet_v2_x1_5() -> Backbone:
    """Return the one of 1.5 times the width; 0.30 GMAC at 224x224."""
    return _backbone(models.shufflenet_v2_x1_5(), (24, 176, 352, 704),
                     models.ShuffleNet_V2_X1_5_Weights.IMAGENET1K_V1)


def _backbone(net: models.ShuffleNetV2, channels: tuple[int, ...],
              imagenet: models.WeightsEnum | None = None) -> Backbone:
    stages = [nn.Sequential(net.conv1, net.maxpool),
              *(ShuffledStage(stage) for stage in (net.stage2, net.stage3, net.stage4))]
    return Backbone(stages, channels, (4, 8, 16, 32), _NAMES, imagenet)


class ShuffledStage(nn.Sequential):
    """
    The units of a stage, which is what they are in torchvision, under the same names.

    The half that a unit works on needs no interleaving: its first layer is a 1x1 convolution,
    whose weights can be put in the order of what it gets.

    :param units: the first halves the resolution.
    """

    def __init__(self, units: nn.Sequential) -> None:
        super().__init__(*units)
        for unit in list(self)[1:]:
            width = unit.branch2[0].in_channels
            unit.branch2[0] = ReorderedConv(unit.branch2[0],
                                            [*range(0, width, 2), *range(1, width, 2)])

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, channels of the stage, H / 2, W / 2)."""
        kept, made = self[0].branch1(x), self[0].branch2(x)
        for unit in list(self)[1:]:
            half = kept.shape[1] // 2
            worked = unit.branch2(torch.cat([kept[:, half:], made[:, half:]], dim=1))
            kept, made = _interleave(kept[:, :half], made[:, :half]), worked
        return _interleave(kept, made)


def _interleave(kept: Tensor, made: Tensor) -> Tensor:
    """Return the channels of two maps (B, C, H, W), in turns."""
    # In this form compilers know it.
    return torch.cat([kept, made], dim=1).unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)
