# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What streams of one architecture give each other after a stage.

Sources: cross-connected networks (R. Kawakami et al., "Cross-connected Networks for Multi-task
Learning of Detection and Segmentation"), and cross-stitch units (I. Misra et al., "Cross-stitch
Networks for Multi-task Learning", CVPR 2016).
"""

from functools import reduce
import math
from typing import Literal, Mapping, Sequence

import torch
from torch import nn, Tensor

Start = Literal['near_zero', 'linear', 'gate']
NEAR_ZERO = 1e-3  # deviation of weights; with 0, a ReLU would let no gradient pass, for ever
NARROWING = 4  # channels per channel of a bottleneck


class MixingWeights(nn.Module):
    """
    Factors of maps or of their channels, for which a decay of weights is not meant.

    It would pull the share of a stream in itself to 0, too.

    :param start: their first values, of any shape.
    """

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.values = nn.Parameter(start)


class Connection(nn.Module):
    """
    What one stream is given of another: a 1x1 convolution, and a ReLU.

    :param channels: of the maps of both streams.
    :param start: what it begins with. 'near_zero': very small weights. 'linear': zeros, and no
        ReLU. 'gate': random weights, times a factor that begins as 0. With the last two, nothing
        is given at first.
    :param bottleneck: convolve by way of a quarter of the channels, at half the cost.
    """

    def __init__(self, channels: int, start: Start, bottleneck: bool = False) -> None:
        super().__init__()
        narrow = max(1, channels // NARROWING) if bottleneck else channels
        last = nn.Conv2d(narrow, channels, 1)
        self.conv = last
        if bottleneck:
            self.conv = nn.Sequential(nn.Conv2d(channels, narrow, 1, bias=False), last)
            nn.init.kaiming_normal_(self.conv[0].weight, nonlinearity='linear')
        nn.init.zeros_(last.bias)
        if start == 'gate':
            nn.init.kaiming_normal_(last.weight, nonlinearity='relu')
        else:
            deviation = NEAR_ZERO * math.sqrt(channels / narrow) if start == 'near_zero' else 0.0
            nn.init.normal_(last.weight, 0.0, deviation)
        self.activation = nn.Identity() if start == 'linear' else nn.ReLU()
        self.gate = MixingWeights(torch.zeros(())) if start == 'gate' else None

    def forward(self, maps: Tensor) -> Tensor:
        """Return what (B, C, H, W) maps of the other stream amount to, of the same shape."""
        given = self.activation(self.conv(maps))
        return given if self.gate is None else self.gate.values * given


class CrossConnections(nn.ModuleDict):
    """
    The connections after one stage: to each stream from all others.

    :param streams: names of all.
    :param listeners: names of those that are given something.
    :param channels: of the maps of each.
    :param start: see :class:`Connection`, and so is bottleneck.
    :param mean: give a stream the mean of what the others have for it, not the sum.
    """

    def __init__(self, streams: Sequence[str], listeners: Sequence[str], channels: int,
                 start: Start, bottleneck: bool = False, mean: bool = False) -> None:
        super().__init__({to: nn.ModuleDict({
            origin: Connection(channels, start, bottleneck) for origin in streams if origin != to})
            for to in listeners})
        self._divisor = len(streams) - 1 if mean else 1

    def forward(self, maps: Mapping[str, Tensor], listeners: Sequence[str]) -> dict[str, Tensor]:
        """
        Exchange; what is given is computed of the maps as they come, whatever the order.

        :param maps: name of each stream -> (B, C, H, W).
        :param listeners: names of the streams whose maps are wanted.
        :return: name -> map, of these.
        """
        found = {}
        for to in listeners:
            given = reduce(torch.add, [connection(maps[origin])
                                       for origin, connection in self[to].items()])
            found[to] = maps[to] + (given / self._divisor if self._divisor > 1 else given)
        return found


class CrossStitches(nn.ModuleDict):
    """
    The cross-stitch units after one stage: each stream becomes a weighted sum of all, by channel.

    :param streams: names of all.
    :param listeners: names of those that are given something.
    :param channels: of the maps of each.
    :param start: weight of a stream in itself at first; the others share what is left to 1.
    """

    def __init__(self, streams: Sequence[str], listeners: Sequence[str], channels: int,
                 start: float) -> None:
        others = (1 - start) / (len(streams) - 1)
        super().__init__({to: MixingWeights(torch.stack([
            torch.full((channels, 1, 1), start if origin == to else others)
            for origin in streams])) for to in listeners})
        self._streams = tuple(streams)

    def forward(self, maps: Mapping[str, Tensor], listeners: Sequence[str]) -> dict[str, Tensor]:
        """Exchange, see :class:`CrossConnections`."""
        return {to: self._mixed(to, maps) for to in listeners}

    def _mixed(self, to: str, maps: Mapping[str, Tensor]) -> Tensor:
        weights = self[to].values.to(maps[to].dtype).unbind()
        return reduce(torch.add, [weight * maps[origin]
                                  for weight, origin in zip(weights, self._streams)])

    def multiplications(self, maps: Mapping[str, Tensor]) -> int:
        """Return how many there were to compute maps, as :meth:`forward` returns them."""
        return len(self._streams) * sum(values.numel() for values in maps.values())
