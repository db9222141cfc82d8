# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""ResNet (He et al., CVPR 2016), torchvision's, up to the last stage."""

from torch import nn
from torchvision import models

from mcn_ros.network.backbones.backbone import Backbone

_NAMES = {
    'conv1': 'stages.0.0',
    'bn1': 'stages.0.1',
    'layer1': 'stages.0.4',
    'layer2': 'stages.1',
    'layer3': 'stages.2',
    'layer4': 'stages.3',
    'fc': None,
}


def resnet18() -> Backbone:
    """Return the one of 18 layers; 11.2 M parameters."""
    return _backbone(models.resnet18(), (64, 128, 256, 512),
                     models.ResNet18_Weights.IMAGENET1K_V1)


def resnet34() -> Backbone:
    """Return the one of 34 layers; 21.3 M parameters."""
    return _backbone(models.resnet34(), (64, 128, 256, 512),
                     models.ResNet34_Weights.IMAGENET1K_V1)


def resnet50() -> Backbone:
    """Return the one of 50 layers, with bottlenecks; 23.5 M parameters."""
    return _backbone(models.resnet50(), (256, 512, 1024, 2048),
                     models.ResNet50_Weights.IMAGENET1K_V1)


def resnet101() -> Backbone:
    """Return the one of 101 layers, with bottlenecks; 42.5 M parameters."""
    return _backbone(models.resnet101(), (256, 512, 1024, 2048),
                     models.ResNet101_Weights.IMAGENET1K_V1)


def _backbone(net: models.ResNet, channels: tuple[int, ...],
              imagenet: models.WeightsEnum) -> Backbone:
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1)
    return Backbone([stem, net.layer2, net.layer3, net.layer4], channels, (4, 8, 16, 32),
                    _NAMES, imagenet)
