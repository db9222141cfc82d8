# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
MoveNet MultiPose (Google, Apache-2.0): a CenterNet of people.

Source: google/movenet/multipose/lightning of TensorFlow Hub; the names are those of its weights as
a safetensors file, in which batch normalisation is part of the convolutions.
"""

from pathlib import Path

from safetensors import safe_open, SafetensorError
from torch import Tensor

from mcn_ros.imports.folded import identity_with_bias
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.backbones.pretrained import refuse, shown
from mcn_ros.network.trunks import TrunkConfig

# Pixels of 0..255 times this, minus 1, are what the network sees.
SCALE = 0.007843017578125
MEAN = STD = (1 / (255 * SCALE),) * 3

# Blocks of each stage of the backbone, and of its stem.
BLOCKS = ((0,), (1, 2), (3, 4, 5), (6, 7, 8, 9), (10, 11, 12, 13, 14, 15, 16))

# Convolutions, each with the batch normalisation that stands behind it here.
_NORMALISED = {
    'backbone.stem': ('trunk.backbone.stages.0.0.0', 'trunk.backbone.stages.0.0.1'),
    'backbone.block_0.depthwise': ('trunk.backbone.stages.0.1.conv.0.0',
                                   'trunk.backbone.stages.0.1.conv.0.1'),
    'backbone.block_0.project': ('trunk.backbone.stages.0.1.conv.1',
                                 'trunk.backbone.stages.0.1.conv.2'),
    **{f'backbone.block_{block}.{theirs}': (
        f'trunk.backbone.stages.{stage}.{number}.conv.{conv}',
        f'trunk.backbone.stages.{stage}.{number}.conv.{norm}')
       for stage, blocks in enumerate(BLOCKS) for number, block in enumerate(blocks) if block
       for theirs, conv, norm in (('expand', '0.0', '0.1'), ('depthwise', '1.0', '1.1'),
                                  ('project', '2', '3'))},
    'backbone.last': ('trunk.backbone.stages.4.7.0', 'trunk.backbone.stages.4.7.1'),
    'neck.lateral_32': ('trunk.neck.lateral.0.0', 'trunk.neck.lateral.0.1'),
    'neck.lateral_16': ('trunk.neck.lateral.1.0', 'trunk.neck.lateral.1.1'),
    'neck.lateral_8': ('trunk.neck.lateral.2.0', 'trunk.neck.lateral.2.1'),
    'neck.lateral_4': ('trunk.neck.lateral.3.0', 'trunk.neck.lateral.3.1'),
    'neck.smooth_16.pointwise': ('trunk.neck.fusion.0.1', 'trunk.neck.fusion.0.2'),
    'neck.smooth_8.pointwise': ('trunk.neck.fusion.1.1', 'trunk.neck.fusion.1.2'),
    'neck.smooth_4.pointwise': ('trunk.neck.fusion.2.1', 'trunk.neck.fusion.2.2'),
}
_HEADS = {'center': 'heatmap', 'size': 'size', 'offset': 'offset',
          'joint_heatmap': 'joint_heatmap', 'joint_displacement': 'displacement',
          'joint_offset': 'joint_offset'}
# Convolutions as they are.
_PLAIN = {f'heads.{theirs}.{layer}': f'heads.pose.maps.{ours}.{number}'
          for theirs, ours in _HEADS.items()
          for layer, number in (('pointwise', 1), ('output', 3))}
# Those that have no bias.
_UNBIASED = {
    'neck.smooth_16.depthwise': 'trunk.neck.fusion.0.0',
    'neck.smooth_8.depthwise': 'trunk.neck.fusion.1.0',
    'neck.smooth_4.depthwise': 'trunk.neck.fusion.2.0',
    **{f'heads.{theirs}.depthwise': f'heads.pose.maps.{ours}.0'
       for theirs, ours in _HEADS.items()},
}
# Outputs that are pairs of y, x there (height, width), and of x, y here.
_PAIRS = ('heads.size.output', 'heads.offset.output', 'heads.joint_displacement.output',
          'heads.joint_offset.output')

HEAD = {'width': 96, 'layout': 'separable'}
TASKS = {'pose': {'kind': 'window_pose', 'head': HEAD}}
TRUNK = TrunkConfig('mobilenet_v2_x1_5_same', 'movenet', 24)


def build() -> MultiTaskNet:
    """Return the network, with weights to be filled in."""
    return MultiTaskNet(ModelConfig(TASKS, TRUNK, mean=MEAN, std=STD))


def names() -> dict[str, str]:
    """Return the names of all weights in the public file -> those here."""
    layers = {**_NORMALISED, **{theirs: (own, own) for theirs, own in _PLAIN.items()}}
    return {**{f'{theirs}.weight': f'{conv}.weight' for theirs, (conv, _) in layers.items()},
            **{f'{theirs}.bias': f'{norm}.bias' for theirs, (_, norm) in layers.items()},
            **{f'{theirs}.weight': f'{own}.weight' for theirs, own in _UNBIASED.items()}}


def read(path: str | Path) -> MultiTaskNet:
    """
    Build the network of a file; all of its weights, or an error.

    :param path: of the safetensors file, of numbers of any floating-point type.
    :return: the network in evaluation mode, on the CPU.
    :raises ValueError: for a file that cannot be read, and for weights that are missing, unknown,
        of a wrong shape or type or not finite, of which the first few are named.
    """
    weights, model = _read(path), build()
    expected = model.state_dict()
    own_names = names()
    refuse(path, 'lacks', [name for name in own_names if name not in weights])
    refuse(path, 'has unknown', [name for name in weights if name not in own_names])
    refuse(path, 'has another shape of',
           [name for name, own in own_names.items() if weights[name].shape != expected[own].shape])
    refuse(path, 'has no finite floating-point numbers as',
           [name for name, value in weights.items()
            if not value.is_floating_point() or not value.isfinite().all()])
    state = {own: _in_our_order(name, weights[name].float()) for name, own in own_names.items()}
    for _, norm in _NORMALISED.values():
        normalisation = identity_with_bias(state[f'{norm}.bias'], model.get_submodule(norm))
        state |= {f'{norm}.{name}': value for name, value in normalisation.items()}
    model.load_state_dict(state)
    return model.eval()


def _read(path: str | Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework='pt') as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise ValueError(f'{path}: is not a readable safetensors file: {shown(error)}') from error


def _in_our_order(name: str, values: Tensor) -> Tensor:
    if name.rpartition('.')[0] not in _PAIRS:
        return values
    return values.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)
