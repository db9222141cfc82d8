# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
NanoDet-Plus-m (RangiLyu/nanodet, Apache-2.0) from an ONNX file.

The file has the layout of those that are made of the authors' ncnn files: convolutions are
numbered, normalisation is folded into them, and weights are of 16 or 32 bits.
"""

from importlib import import_module
from pathlib import Path
from typing import Mapping

import torch
from torch import nn, Tensor

from mcn_ros.imports.folded import identity_with_bias
from mcn_ros.imports.start import new_network
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.backbones.pretrained import refuse, shown
from mcn_ros.network.features import PYRAMID
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.tasks.distances import BINS, SIDES
from mcn_ros.vocabulary import COCO_CLASSES

CHANNELS = 64  # of the map of stride 4, which is not in the file: it starts anew
TASK = 'detection'
CONFIG = ModelConfig(
    {TASK: {'kind': 'distance_detection', 'classes': list(COCO_CLASSES)}},
    TrunkConfig('shufflenet_v2_x1_0_leaky', 'ghost_pan', CHANNELS), (416, 416), 'bgr',
    (0.406, 0.456, 0.485), (0.225, 0.224, 0.229))

THEIR_BINS = 8  # from the corner of a cell: 0 to 7 strides
NEVER = -30.0  # the logit of a bin that they do not have

_STAGE = 'trunk.backbone.stages'
_PAN = 'trunk.neck.pyramid'
# Where the convolutions of a part are within it; behind each is its normalisation.
_HALVING_UNIT = ('branch1.0', 'branch1.2', 'branch2.0', 'branch2.3', 'branch2.5')
_UNIT = ('branch2.0', 'branch2.3', 'branch2.5')
_GHOSTS = ('ghosts.0.primary.0', 'ghosts.0.cheap.0', 'ghosts.1.primary.0', 'ghosts.1.cheap.0',
           'shortcut.0', 'shortcut.2')
_SEPARABLE = ('0', '3')
_TOWER = ('0.0', '0.3', '1.0', '1.3')

# Part here, where its convolutions are in it -> their numbers in the file.
PARTS: Mapping[tuple[str, tuple[str, ...]], tuple[int, ...]] = {
    (f'{_STAGE}.0', ('0.0',)): (0,),
    (f'{_STAGE}.1.0', _HALVING_UNIT): (3, 4, 6, 8, 9),
    (f'{_STAGE}.1.1', _UNIT): (31, 33, 34),
    (f'{_STAGE}.1.2', _UNIT): (56, 58, 59),
    (f'{_STAGE}.1.3', _UNIT): (81, 83, 84),
    (f'{_STAGE}.2.0', _HALVING_UNIT): (92, 93, 95, 97, 98),
    (f'{_STAGE}.2.1', _UNIT): (120, 122, 123),
    (f'{_STAGE}.2.2', _UNIT): (145, 147, 148),
    (f'{_STAGE}.2.3', _UNIT): (170, 172, 173),
    (f'{_STAGE}.2.4', _UNIT): (195, 197, 198),
    (f'{_STAGE}.2.5', _UNIT): (220, 222, 223),
    (f'{_STAGE}.2.6', _UNIT): (245, 247, 248),
    (f'{_STAGE}.2.7', _UNIT): (270, 272, 273),
    (f'{_STAGE}.3.0', _HALVING_UNIT): (281, 282, 284, 286, 287),
    (f'{_STAGE}.3.1', _UNIT): (309, 311, 312),
    (f'{_STAGE}.3.2', _UNIT): (334, 336, 337),
    (f'{_STAGE}.3.3', _UNIT): (359, 361, 362),
    (f'{_PAN}.lateral', ('0.0', '1.0', '2.0')): (370, 372, 374),
    (f'{_PAN}.down.0', _GHOSTS): (379, 381, 384, 385, 387, 388),
    (f'{_PAN}.down.1', _GHOSTS): (393, 395, 398, 399, 401, 402),
    (f'{_PAN}.halvings.0', _SEPARABLE): (404, 406),
    (f'{_PAN}.up.0', _GHOSTS): (409, 411, 414, 415, 417, 418),
    (f'{_PAN}.halvings.1', _SEPARABLE): (420, 422),
    (f'{_PAN}.up.1', _GHOSTS): (425, 427, 430, 431, 433, 434),
    (f'{_PAN}.extra.0', _SEPARABLE): (436, 438),
    (f'{_PAN}.extra.1', _SEPARABLE): (440, 442),
    (f'heads.{TASK}.towers.p3', _TOWER): (445, 447, 449, 451),
    (f'heads.{TASK}.towers.p4', _TOWER): (465, 467, 469, 471),
    (f'heads.{TASK}.towers.p5', _TOWER): (485, 487, 489, 491),
    (f'heads.{TASK}.towers.p6', _TOWER): (505, 507, 509, 511),
}
CONVS = {number: f'{part}.{layer}' for (part, layers), numbers in PARTS.items()
         for layer, number in zip(layers, numbers, strict=True)}
LAST = dict(zip(PYRAMID, (453, 473, 493, 513)))  # without normalisation: scores, then bins


def read(path: Path) -> MultiTaskNet:
    """
    Read NanoDet-Plus-m.

    :return: the network in evaluation mode, on the CPU; a part of its neck that the file does
        not have starts anew, always the same.
    :raises ValueError: for a file that cannot be read or is of another network.
    """
    model = new_network(CONFIG)
    tensors = read_tensors(path)
    state: dict[str, Tensor] = {}
    for number, name in CONVS.items():
        before, _, place = name.rpartition('.')
        norm = f'{before}.{int(place) + 1}'
        state[f'{name}.weight'], bias = _conv(path, tensors, number, model.get_submodule(name))
        state |= {f'{norm}.{key}': value for key, value in
                  identity_with_bias(bias, model.get_submodule(norm)).items()}
    for level, number in LAST.items():
        outputs = len(COCO_CLASSES) + SIDES * THEIR_BINS
        like = nn.Conv2d(model.tasks[TASK].width, outputs, 1, device='meta')
        weight, bias = _conv(path, tensors, number, like)
        for part, rows in (('scores', slice(len(COCO_CLASSES))),
                           ('distances', slice(len(COCO_CLASSES), None))):
            layer = f'heads.{TASK}.maps.{part}_{level}'
            values = weight[rows], bias[rows]
            if part == 'distances':
                values = with_all_bins(*values)
            state[f'{layer}.weight'], state[f'{layer}.bias'] = values
    refuse(path, 'has unknown', [f'{number}' for number in tensors
                                 if number not in {*CONVS, *LAST.values()}])
    assert all(name.startswith('trunk.neck.top_down.') for name in model.state_dict().keys()
               - state.keys())
    model.load_state_dict(state, strict=False)
    return model.eval()


def with_all_bins(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """
    Turn distances from the corner of a cell into those from its middle, half a stride away.

    To left and top they are longer by that, and end a bin later; to right and bottom they are
    shorter and begin a bin earlier.

    :param weight: (SIDES * THEIR_BINS, in, 1, 1) of the last convolution.
    :param bias: (SIDES * THEIR_BINS,).
    :return: the same with SIDES * BINS rows.
    """
    sides = torch.arange(SIDES)[:, None]
    rows = (BINS * sides + torch.arange(THEIR_BINS) + (sides < SIDES // 2)).flatten()
    all_weights = weight.new_zeros(SIDES * BINS, *weight.shape[1:])
    all_biases = bias.new_full((SIDES * BINS,), NEVER)
    all_weights[rows], all_biases[rows] = weight, bias
    return all_weights, all_biases


def read_tensors(path: Path) -> dict[int, dict[str, Tensor]]:
    """
    Return number of a convolution -> 'w' and 'b' -> float32 tensor, of an ONNX file.

    Nothing but the file itself is read, though such files can name others.

    :raises ValueError: for a file that cannot be read, and without the package that reads it.
    """
    try:
        onnx = import_module('onnx')
    except ImportError as error:
        raise ValueError(f'{path}: to read it, the package onnx is needed: {error}') from error
    damaged = import_module('google.protobuf.message').DecodeError
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
        found: dict[int, dict[str, Tensor]] = {}
        for tensor in graph.initializer:
            kind, _, rest = tensor.name.partition('_')
            number, _, part = rest.partition('.')
            if kind == 'Conv' and number.isdecimal():
                if tensor.data_location == onnx.TensorProto.EXTERNAL:
                    raise ValueError(f'{shown(tensor.name)} is in another file')
                values = torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
                found.setdefault(int(number), {})[part.removesuffix('_h')] = values.float()
        return found
    except (OSError, damaged, ValueError, TypeError, KeyError) as error:
        reason = str(error).partition('\n')[0] or type(error).__name__
        raise ValueError(f'{path}: cannot be read as ONNX: {shown(reason)}') from error


def _conv(path: Path, tensors: Mapping[int, Mapping[str, Tensor]], number: int, like: nn.Conv2d,
          ) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution, of the shapes that they are to have."""
    shapes = {'w': like.weight.shape, 'b': (like.out_channels,)}
    found = tensors.get(number, {})
    refuse(path, 'is no NanoDet-Plus-m: it lacks',
           [f'Conv_{number}.{part}' for part in shapes if part not in found])
    refuse(path, 'is no NanoDet-Plus-m: it has another shape of',
           [f'Conv_{number}.{part}' for part, shape in shapes.items()
            if found[part].shape != shape])
    refuse(path, 'has numbers that are not finite as',
           [f'Conv_{number}.{part}' for part in shapes if not found[part].isfinite().all()])
    return found['w'], found['b']
