# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
MobileNetV2 (Sandler et al., CVPR 2018) of torchvision's blocks, padded as TensorFlow's "SAME".

Where a convolution halves a map of even size, that puts a border on its right and below only, so
weights that were trained with it need it.
"""

from collections import OrderedDict
from itertools import count
from typing import Any, Mapping

from torch import nn
from torchvision import models
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.ops import Conv2dNormActivation

from mcn_ros.network.backbones.backbone import Backbone

# The layers that each stage ends before: after the stem, the blocks are layers 1 to 17. The stage
# of stride 16 ends with the narrower of the two groups of blocks that have this stride, as in
# detectors.
ENDS = (2, 4, 7, 11, 19)
LAST = 1280  # channels of the last layer, of any width

# Layer -> channels inside of its block, where they are fewer than six times those that it gets.
# Late layers have most weights and can do without some of them; early ones cannot.
SLIM = {12: 720, 13: 720, 14: 576, 15: 1088, 16: 1088, 17: 1152}
SLIM_ENDS = (224, 640)  # channels that the last block and the last layer give


def mobilenet_v2_x1_0_same() -> Backbone:
    """Return the one of plain width; 0.30 GMAC at 224x224."""
    return _backbone(1.0)


def mobilenet_v2_x1_5_same() -> Backbone:
    """Return the one of 1.5 times the width, MoveNet MultiPose's; 0.66 GMAC at 224x224."""
    return _backbone(1.5)


def mobilenet_v2_x1_5_slim() -> Backbone:
    """Return the one of 1.5 times the width with fewer channels in late layers; 0.56 GMAC."""
    return _backbone(1.5, SLIM, SLIM_ENDS)


def _backbone(width: float, inside: Mapping[int, int] = {},
              ends: tuple[int | None, int] = (None, LAST)) -> Backbone:
    """
    Build one.

    :param width: factor of the channels.
    :param inside: layer -> channels inside of its block, where they are not as usual.
    :param ends: channels that the last block, None for the usual, and the last layer give.
    """
    layers_of_blocks = count(1)

    def block(inputs: int, outputs: int, stride: int, expand_ratio: float, norm_layer: Any,
              ) -> InvertedResidual:
        layer = next(layers_of_blocks)
        outputs = ends[0] or outputs if layer == ENDS[-1] - 2 else outputs
        return InvertedResidual(inputs, outputs, stride,
                                inside.get(layer, expand_ratio * inputs) / inputs, norm_layer)

    layers = list(models.MobileNetV2(width_mult=width, block=block).features)
    layers[-1] = Conv2dNormActivation(layers[-2].out_channels, ends[1], kernel_size=1,
                                      activation_layer=nn.ReLU6)
    layers[0] = _pad_same(layers[0])
    for layer in layers[1:-1]:
        layer.conv = nn.Sequential(*map(_pad_same, layer.conv))
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
