# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Backbones: an image to maps of falling resolution; one architecture per file."""

from typing import Callable

from mcn_ros.network.backbones.backbone import Backbone
from mcn_ros.network.backbones.dla import dla34
from mcn_ros.network.backbones.mobilenet import (
    mobilenet_v2_x1_0_same, mobilenet_v2_x1_5_same, mobilenet_v2_x1_5_slim)
from mcn_ros.network.backbones.resnet import resnet101, resnet18, resnet34, resnet50
from mcn_ros.network.backbones.shufflenet import (shufflenet_v2_x0_5, shufflenet_v2_x1_0,
                                                  shufflenet_v2_x1_0_leaky, shufflenet_v2_x1_5)
from mcn_ros.network.backbones.vit import vit_micro_p8, vit_tiny_p16, vit_tiny_p8, vit_toy_p8

BACKBONES: dict[str, Callable[[], Backbone]] = {
    'dla34': dla34,
    'mobilenet_v2_x1_0_same': mobilenet_v2_x1_0_same,
    'mobilenet_v2_x1_5_same': mobilenet_v2_x1_5_same,
    'mobilenet_v2_x1_5_slim': mobilenet_v2_x1_5_slim,
    'resnet18': resnet18,
    'resnet34': resnet34,
    'resnet50': resnet50,
    'resnet101': resnet101,
    'shufflenet_v2_x0_5': shufflenet_v2_x0_5,
    'shufflenet_v2_x1_0': shufflenet_v2_x1_0,
    'shufflenet_v2_x1_0_leaky': shufflenet_v2_x1_0_leaky,
    'shufflenet_v2_x1_5': shufflenet_v2_x1_5,
    'vit_toy_p8': vit_toy_p8,
    'vit_micro_p8': vit_micro_p8,
    'vit_tiny_p8': vit_tiny_p8,
    'vit_tiny_p16': vit_tiny_p16,
}
TRANSFORMERS = tuple(name for name in BACKBONES if name.startswith('vit_'))
