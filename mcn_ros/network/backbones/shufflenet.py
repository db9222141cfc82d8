# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""ShuffleNetV2 (Ma et al., ECCV 2018), torchvision's, up to the last stage."""

from torch import nn
from torchvision import models

from mcn_ros.network.backbones.backbone import Backbone

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
    stages = [nn.Sequential(net.conv1, net.maxpool), net.stage2, net.stage3, net.stage4]
    return Backbone(stages, channels, (4, 8, 16, 32), _NAMES, imagenet)
