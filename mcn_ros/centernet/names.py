# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The names that weights have in public CenterNet checkpoints, and those that they have here.

Source: the networks of xingyizhou/CenterNet, whose names these are. A name stands for all that
begins with it, whole up to a dot; of several that fit, the longest one counts.
"""

from dataclasses import dataclass
from typing import Mapping

from mcn_ros.network.trunks import TrunkConfig

# What is in checkpoints and needed by no network -> why.
DROPPED = {
    'base.fc': 'the classifier of ImageNet, which is never run',
    'base.level3.project': 'computed, but never used: the tree inside has one of its own',
    'base.level4.project': 'computed, but never used: the tree inside has one of its own',
}

# Of each task: CenterNet's heads -> maps.
HEADS = {
    'detection': {'hm': 'heatmap', 'wh': 'size', 'reg': 'offset'},
    'pose': {'hm': 'heatmap', 'wh': 'size', 'reg': 'offset', 'hps': 'displacement',
             'hm_hp': 'joint_heatmap', 'hp_offset': 'joint_offset'},
}

_DLA = {
    'base.base_layer': 'backbone.stages.0.0',
    'base.level0': 'backbone.stages.0.1',
    'base.level1': 'backbone.stages.1',
    'base.level2': 'backbone.stages.2',
    'base.level3': 'backbone.stages.3',
    'base.level4': 'backbone.stages.4',
    'base.level5': 'backbone.stages.5',
}
_RESNET = {
    'conv1': 'backbone.stages.0.0',
    'bn1': 'backbone.stages.0.1',
    'layer1': 'backbone.stages.0.4',
    'layer2': 'backbone.stages.1',
    'layer3': 'backbone.stages.2',
    'layer4': 'backbone.stages.3',
}
# The layers of an aggregation, which CenterNet counts from 1.
_PLAIN = {
    'proj_{}': 'projects.{}',
    'up_{}': 'upsamplings.{}',
    'node_{}': 'nodes.{}',
}
_DEFORMABLE = {
    'proj_{}.conv': 'projects.{}.0.conv',
    'proj_{}.conv.conv_offset_mask': 'projects.{}.0.sampling',
    'proj_{}.actf.0': 'projects.{}.1',
    'up_{}': 'upsamplings.{}',
    'node_{}.conv': 'nodes.{}.0.conv',
    'node_{}.conv.conv_offset_mask': 'nodes.{}.0.sampling',
    'node_{}.actf.0': 'nodes.{}.1',
}
_DECONV = {
    'deconv_layers.0.weight': 'neck.layers.0.0.conv.weight',
    'deconv_layers.0.bias': 'neck.layers.0.0.conv.bias',
    'deconv_layers.0.conv_offset_mask': 'neck.layers.0.0.sampling',
    'deconv_layers.1': 'neck.layers.0.1',
    'deconv_layers.3': 'neck.layers.1.0',
    'deconv_layers.4': 'neck.layers.1.1',
    'deconv_layers.6.weight': 'neck.layers.2.0.conv.weight',
    'deconv_layers.6.bias': 'neck.layers.2.0.conv.bias',
    'deconv_layers.6.conv_offset_mask': 'neck.layers.2.0.sampling',
    'deconv_layers.7': 'neck.layers.2.1',
    'deconv_layers.9': 'neck.layers.3.0',
    'deconv_layers.10': 'neck.layers.3.1',
    'deconv_layers.12.weight': 'neck.layers.4.0.conv.weight',
    'deconv_layers.12.bias': 'neck.layers.4.0.conv.bias',
    'deconv_layers.12.conv_offset_mask': 'neck.layers.4.0.sampling',
    'deconv_layers.13': 'neck.layers.4.1',
    'deconv_layers.15': 'neck.layers.5.0',
    'deconv_layers.16': 'neck.layers.5.1',
}
_TRANSPOSED = {
    'deconv_layers.0': 'neck.layers.0.0',
    'deconv_layers.1': 'neck.layers.0.1',
    'deconv_layers.3': 'neck.layers.1.0',
    'deconv_layers.4': 'neck.layers.1.1',
    'deconv_layers.6': 'neck.layers.2.0',
    'deconv_layers.7': 'neck.layers.2.1',
}


def _aggregation(public: str, own: str, maps: int, layers: Mapping[str, str]) -> dict[str, str]:
    """Return the names of what merges so many maps."""
    return {f'{public}.{theirs.format(number + 1)}': f'{own}.{ours.format(number)}'
            for number in range(maps) for theirs, ours in layers.items()}


def _merges(layers: Mapping[str, str]) -> dict[str, str]:
    """Return the names of the aggregations from coarse to fine, each of one map more."""
    return {theirs: ours for number in range(3) for theirs, ours in _aggregation(
        f'dla_up.ida_{number}', f'neck.merges.{number}', number + 1, layers).items()}


@dataclass(frozen=True)
class Architecture:
    """
    A trunk of CenterNet.

    :param trunk: what it is here.
    :param names: of its weights -> those of a :class:`SharedTrunk`.
    """

    trunk: TrunkConfig
    names: Mapping[str, str]


ARCHITECTURES = {
    'dla_34': Architecture(
        TrunkConfig('dla34', 'aggregation', 64, True),
        {**_DLA, **_merges(_DEFORMABLE), **_aggregation('ida_up', 'neck.last', 2, _DEFORMABLE)}),
    'dlav0_34': Architecture(
        TrunkConfig('dla34', 'concatenation', 64), {**_DLA, **_merges(_PLAIN)}),
    **{f'resdcn_{depth}': Architecture(
        TrunkConfig(f'resnet{depth}', 'deconv', 64, True), {**_RESNET, **_DECONV})
       for depth in (18, 34, 50, 101)},
    **{f'res_{depth}': Architecture(
        TrunkConfig(f'resnet{depth}', 'transposed', 256), {**_RESNET, **_TRANSPOSED})
       for depth in (18, 34, 50, 101)},
}


def head_names(task: str, width: int) -> dict[str, str]:
    """
    Return the names of the weights of a head.

    :param task: a key of ``HEADS``.
    :param width: of the head; where it is 0, CenterNet has a layer in place of a list of them.
    """
    layer = '' if width else '.0'
    return {theirs: f'maps.{ours}{layer}' for theirs, ours in HEADS[task].items()}
