# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
MobileNetV2 (Sandler et al., CVPR 2018) of torchvision's blocks, padded as TensorFlow's "SAME".

Where a convolution halves a map of even size, that puts a border on its right and below only, so
weights that were trained with it need it.
"""

from collections import OrderedDict

from torch import nn
from torchvision import models
from torchvision.ops import Conv2dNormActivation

from mcn_ros.network.backbones.backbone import Backbone

# The layers that each stage ends before: after the stem, the blocks are layers 1 to 17. The stage
# of stride 16 ends with the narrower of the two groups of blocks that have this stride, as in
# detectors.
ENDS = (2, 4, 7, 11, 19)
LAST = 1280  # channels of the last layer, of any width


def mobilenet_v2_x1_0_same() -> Backbone:
    """Return the one of plain width; 0.30 GMAC at 224x224."""
    return _backbone(1.0)


def mobilenet_v2_x1_5_same() -> Backbone:
    """Return the one of 1.5 times the width, MoveNet MultiPose's; 0.66 GMAC at 224x224."""
    return _backbone(1.5)


def _backbone(width: float) -> Backbone:
    layers = list(models.MobileNetV2(width_mult=width).features)
    before = layers[-2].out_channels
    layers[-1] = Conv2dNormActivation(before, LAST, kernel_size=1, activation_layer=nn.ReLU6)
    layers[0] = _pad_same(layers[0])
    for block in layers[1:-1]:
        block.conv = nn.Sequential(*map(_pad_same, block.conv))
    stages = [nn.Sequential(*layers[start:end]) for start, end in zip((0, *ENDS), ENDS)]
    channels = tuple(stage[-1].out_channels for stage in stages)
    names = {f'features.{start + number}': f'stages.{stage}.{number}'
             for stage, (start, end) in enumerate(zip((0, *ENDS), ENDS))
             for number in range(end - start)}
    return Backbone(stages, channels, (2, 4, 8, 16, 32), {**names, 'classifier': None})


def _pad_same(layer: nn.Module) -> nn.Module:
    """Return a layer that halves its map with the padding after it, another one as it is."""
    conv = layer[0] if isinstance(layer, Conv2dNormActivation) else None
    if conv is None or conv.stride == (1, 1):
        return layer
    conv.padding = (0, 0)
    return nn.Sequential(OrderedDict(pad=nn.ZeroPad2d((0, 1, 0, 1)),
                                     **dict(layer.named_children())))
