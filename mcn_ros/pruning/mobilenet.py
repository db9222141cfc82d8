# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A MobileNetV2 with fewer channels inside of its blocks, from the weights of a wider one.

From the first block to the last, each is fitted to what it gave before, on what the blocks before
it have become: so it makes up for their errors, too. What the last block gives, which is read by
one layer alone, becomes fewer channels in the same way.
"""

from copy import deepcopy
from dataclasses import replace
from typing import Iterable, Mapping, NamedTuple

import numpy as np
import torch
from torch import nn, Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.models.mobilenetv2 import InvertedResidual
from tqdm import tqdm

from mcn_ros.imports.folded import identity_with_bias
from mcn_ros.model import MultiTaskNet
from mcn_ros.network.movenet_neck import MoveNetNeck
from mcn_ros.network.trunks.shared import SharedTrunk
from mcn_ros.pruning.least_squares import factorise, fit, Moments, select

CELLS = 1024  # of a map of one image that are looked at, about
LAST = 'trunk.backbone.stages.4.7'
READS_LAST = 'trunk.neck.lateral.0'


class Layer(NamedTuple):
    """A convolution and the batch normalisation behind it."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return weights (C, inputs) and bias (C,) of both together, float64; it is a 1x1 one."""
        norm = self.norm
        weight, bias = fuse_conv_bn_weights(
            self.conv.weight, None, norm.running_mean, norm.running_var, norm.eps, norm.weight,
            norm.bias)
        return weight.flatten(1).double(), bias.double()

    def become(self, weights: Tensor, bias: Tensor) -> None:
        """Be another 1x1 convolution (C, inputs) with a bias (C,)."""
        self.conv.weight = nn.Parameter(weights.float()[:, :, None, None])
        self._normalise_by(identity_with_bias(bias.float(), self.norm))

    def keep(self, rows: Tensor) -> None:
        """Keep some of the outputs; where each input has a filter of its own, of those, too."""
        self.conv.weight = nn.Parameter(self.conv.weight[rows])
        if self.conv.groups > 1:
            self.conv.groups = len(rows)
        self._normalise_by({name: values[rows] for name, values in self.norm.state_dict().items()
                            if values.ndim})

    def _normalise_by(self, state: Mapping[str, Tensor]) -> None:
        """Take over the state of a normalisation of any number of channels."""
        for name, values in state.items():
            learned = name in ('weight', 'bias')
            setattr(self.norm, name, nn.Parameter(values) if learned else values)

    def equalise(self) -> None:
        """Make all filters of length 1, by the normalisation: steps of an optimiser are so."""
        length = self.conv.weight.flatten(1).norm(dim=1).clamp(min=1e-12)
        self.conv.weight /= length[:, None, None, None]
        self.norm.running_mean /= length
        self.norm.weight *= length


class Cut(NamedTuple):
    """
    Channels between two layers, of which some are to go.

    :ivar giver: module whose outputs they are.
    :ivar layers: that have a filter for each of them, the one that makes them first.
    :ivar reader: the 1x1 convolution that reads them.
    :ivar block: module that ends with the reader, and whose output is to stay as it is.
    :ivar shortcut: it adds what it gets to what the reader gives.
    :ivar follower: the layer behind, for which it is to stay so; None: it matters as it is.
    """

    giver: str
    layers: tuple[Layer, ...]
    reader: Layer
    block: str
    shortcut: bool
    follower: Layer | None

    @property
    def width(self) -> int:
        """Return how many channels there are."""
        return len(self.reader.conv.weight[0])

    @property
    def inputs(self) -> int:
        """Return how many channels they are made of."""
        return len(self.layers[0].conv.weight[0])


def prune(model: MultiTaskNet, backbone: str, images: Iterable[np.ndarray]) -> MultiTaskNet:
    """
    Return a network whose backbone is a narrower MobileNetV2.

    :param model: with one trunk, whose backbone is a MobileNetV2 of the same blocks, and MoveNet's
        neck.
    :param backbone: key of ``BACKBONES``.
    :param images: (H, W, 3) uint8 RGB each, of the size of an input, like those that it is to see;
        gone through once for each block that gets narrower.
    :raises ValueError: if the one cannot be made of the other.
    """
    if not isinstance(model.trunk, SharedTrunk) or not isinstance(model.trunk.neck, MoveNetNeck):
        raise ValueError('only networks of one trunk with the neck movenet are made narrower')
    small = MultiTaskNet(replace(model.config, trunk=replace(model.config.trunk,
                                                             backbone=backbone)))
    if _blocks(model) != _blocks(small):
        raise ValueError(f'{model.config.trunk.backbone} has not the blocks of {backbone}')
    before, after = model.eval(), deepcopy(model).eval()
    *inside, last = zip(_cuts(after), _cuts(small))
    with torch.no_grad():
        for cut, wanted in tqdm(inside, desc='prune', unit='block'):
            if wanted.width < cut.width:
                _narrow(cut, _observe(before, after, cut, images), wanted.width)
        cut, wanted = last
        if wanted.inputs < cut.inputs:
            _factorise(before, after, images, wanted.inputs)
        if wanted.width < cut.width:
            _narrow(cut, _observe(before, after, cut, images), wanted.width)
        for layer in {layer for cut in _cuts(after) for layer in (*cut.layers, cut.reader)}:
            layer.equalise()
    state = after.state_dict()
    wider = [name for name, values in small.state_dict().items()
             if values.shape != state[name].shape]
    if wider:
        raise ValueError(f'{backbone} is wider than {model.config.trunk.backbone}: {wider[0]}')
    small.load_state_dict(state)
    return small.eval()


def _blocks(model: MultiTaskNet) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, InvertedResidual)]


def _layer(module: nn.Module) -> Layer:
    return Layer(module.get_submodule('0'), module.get_submodule('1'))


def _cuts(model: MultiTaskNet) -> list[Cut]:
    """Return all places where channels can go: in the blocks that expand, and behind the last."""
    names = _blocks(model)[1:]
    blocks = [model.get_submodule(name) for name in names]
    layers = [_layer(block.conv[0]) for block in blocks] + [_layer(model.get_submodule(LAST))]
    inside = [Cut(f'{name}.conv.1', (layer, _layer(block.conv[1])), Layer(*block.conv[2:]), name,
                  block.use_res_connect, follower)
              for name, block, layer, follower in zip(names, blocks, layers, layers[1:])]
    reader = _layer(model.get_submodule(READS_LAST))
    return [*inside, Cut(LAST, layers[-1:], reader, READS_LAST, False, None)]


def _observe(before: MultiTaskNet, after: MultiTaskNet, cut: Cut, images: Iterable[np.ndarray],
             ) -> Moments:
    """Look at the channels of a cut, and at what its reader is to make of them."""
    moments, seen = Moments(), {}
    handles = [
        before.get_submodule(cut.block).register_forward_hook(
            lambda _, __, output: seen.update(target=output)),
        after.get_submodule(cut.block).register_forward_hook(
            lambda _, inputs, output: seen.update(shortcut=inputs[0], output=output)),
        after.get_submodule(cut.giver).register_forward_hook(
            lambda _, __, output: seen.update(channels=output))]
    for image in images:
        batch = torch.from_numpy(image).permute(2, 0, 1)[None]
        for model in (before, after):
            model.features(batch, list(model.tasks))
        target = seen['target'] - seen['shortcut'] if cut.shortcut else seen['target']
        moments.add(_cells(seen['channels']), _cells(target))
    for handle in handles:
        handle.remove()
    return moments


def _cells(values: Tensor) -> Tensor:
    """Return some cells of a map (1, C, H, W) as rows, (P, C)."""
    rows = values[0].flatten(1).T
    return rows[::max(1, len(rows) // CELLS)]


def _narrow(cut: Cut, moments: Moments, width: int) -> None:
    """Keep so many channels, those with which the reader comes nearest to what it gave."""
    cross = moments.cross
    if cut.follower:
        weights, _ = cut.follower.folded()
        cross = weights @ cross
    kept = select(moments.covariance, cross, width)
    for layer in cut.layers:
        layer.keep(kept)
    cut.reader.become(*fit(moments, kept))


def _factorise(before: MultiTaskNet, after: MultiTaskNet, images: Iterable[np.ndarray], rank: int,
               ) -> None:
    """Let the last block give fewer channels, those of which the last layer makes the same."""
    *_, block, last = _cuts(after)
    moments = _observe(before, after, block._replace(giver=block.block), images)
    mean, _ = moments.means
    # What the last layer saw is a function of what it sees by now.
    weights, bias = fit(moments, torch.arange(len(mean)))
    layer = last.layers[0]
    own, own_bias = layer.folded()
    weights, bias = own @ weights, own @ bias + own_bias
    first, second = factorise(weights, moments.covariance, rank)
    layer.become(second, bias + (weights - second @ first) @ mean)
    block.reader.become(*(first @ values for values in block.reader.folded()))
