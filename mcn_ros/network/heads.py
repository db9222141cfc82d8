# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Heads: features of a trunk to the named maps of a task (Zhou et al., "Objects as Points")."""

from dataclasses import dataclass
from typing import get_args, Literal, Mapping

import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.geometry import STRIDE
from mcn_ros.network.blocks import separable_conv
from mcn_ros.network.features import FEATURES, Features, pick, Shapes

Layout = Literal['per_map', 'separable', 'shared']


@dataclass(frozen=True)
class HeadConfig:
    """
    The shape of a head.

    :param width: channels between features and maps; 64 is as in the MCN paper, 256 as in the
        public CenterNet weights on DLA-34, 0 leaves nothing but a 1x1 convolution per map.
    :param layout: ``per_map`` gives each map its own 3x3 convolution; ``separable`` a depth-wise
        separable one, as MoveNet has it; ``shared`` gives the whole head two of these. Both are
        several times cheaper.
    :param direct: in a shared layout, let the last convolutions see the features, too: what is in
        them need not go through the layers before.
    :raises ValueError: for a negative width, an unknown layout, the width 0 in another layout
        than ``per_map``, or a direct way past layers that are not shared.
    """

    width: int = 64
    layout: Layout = 'per_map'
    direct: bool = False

    def __post_init__(self) -> None:
        if self.layout not in get_args(Layout):
            raise ValueError(f'layout: {self.layout!r} is not one of '
                             f'{", ".join(get_args(Layout))}')
        if self.width < (0 if self.layout == 'per_map' else 1):
            raise ValueError(f'width: {self.width} channels are too few for layout {self.layout}')
        if self.direct and self.layout != 'shared':
            raise ValueError('direct: only for the layout shared')


class Head(nn.Module):
    """
    Logits of a task, from one map of its features.

    Weights keep PyTorch's uniform Kaiming start, as CenterNet's DLA heads do: it makes logits
    of a size well below the biases, so that the bias alone decides the first predictions.

    :param shapes: of the features.
    :param maps: map name -> number of channels.
    :param config: the shape of the head.
    :param biases: map name -> initial bias of its last layer, for maps where it is not 0.
    :param reads: name of the map among the features.
    :param stride: input pixels per cell of that map.
    :raises ValueError: for a bias of a map that does not exist, and for features without a map of
        this name and stride.
    """

    def __init__(self, shapes: Shapes, maps: Mapping[str, int], config: HeadConfig,
                 biases: Mapping[str, float] = {}, reads: str = FEATURES, stride: int = STRIDE,
                 ) -> None:
        super().__init__()
        self.reads, in_channels = reads, pick(shapes, reads, stride).channels
        unknown = [name for name in biases if name not in maps]
        if unknown:
            raise ValueError(f'biases: no map {", ".join(unknown)} (known: {", ".join(maps)})')
        self.stem, self.direct = nn.Identity(), config.direct
        if config.layout == 'shared':
            self.stem = nn.Sequential(separable_conv(in_channels, config.width),
                                      separable_conv(config.width, config.width))
            in_channels = config.width + config.direct * in_channels
        self.maps = nn.ModuleDict({name: _layers(in_channels, config, outputs)
                                   for name, outputs in maps.items()})
        self._init_biases(biases)

    def _init_biases(self, biases: Mapping[str, float]) -> None:
        for name, layers in self.maps.items():
            convs = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
            for conv in convs:
                if conv.bias is not None:
                    nn.init.zeros_(conv.bias)
            nn.init.constant_(convs[-1].bias, biases.get(name, 0.0))

    def forward(self, features: Features) -> dict[str, Tensor]:
        """
        Compute all maps.

        :param features: of the shapes that it was built for.
        :return: map name -> (B, channels of the map, H, W) logits.
        """
        values = features[self.reads]
        seen = self.stem(values)
        values = torch.cat([seen, values], dim=1) if self.direct else seen
        return {name: layers(values) for name, layers in self.maps.items()}


class UpsampledHead(nn.Module):
    """
    A head whose maps are enlarged.

    The logits are interpolated rather than the features: at 512x512 input that costs a tenth of a
    convolution there.

    :param head: features -> maps.
    :param factor: how many times larger they become.
    """

    def __init__(self, head: nn.Module, factor: int = STRIDE):
        super().__init__()
        self.head, self.factor = head, float(factor)

    def forward(self, features: Features) -> dict[str, Tensor]:
        """Return {map name: (B, C, factor H, factor W)} where the head has (B, C, H, W)."""
        return {name: functional.interpolate(values, scale_factor=self.factor, mode='bilinear',
                                             align_corners=False)
                for name, values in self.head(features).items()}


def _layers(in_channels: int, config: HeadConfig, out_channels: int) -> nn.Sequential:
    """Return what a map has of its own."""
    width = config.width
    if width == 0 or config.layout == 'shared':
        return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1))
    if config.layout == 'per_map':
        before = [nn.Conv2d(in_channels, width, 3, padding=1)]
    else:
        before = [nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels,
                            bias=False), nn.Conv2d(in_channels, width, 1)]
    return nn.Sequential(*before, nn.ReLU(inplace=True), nn.Conv2d(width, out_channels, 1))
