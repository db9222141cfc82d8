# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A light feature pyramid of which only the finest level comes out."""

from typing import Sequence

from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.geometry import STRIDE
from mcn_ros.network.blocks import conv_norm_act, separable_conv
from mcn_ros.network.features import FEATURES, single


class TopDownNeck(nn.Module):
    """
    A light feature pyramid (Lin et al., CVPR 2017) of which only the finest level comes out.

    Each level is brought to the common number of channels by a 1x1 convolution, added to what
    comes from the coarser level, and fused by two depth-wise separable 5x5 convolutions: for
    such layers a larger window costs next to nothing, and a point must see its whole object.

    :param finest: side of the window at the finest level. In training 5x5 is an exception to the
        above there, on a CPU: the gradient of its depth-wise part takes ten times that of 3x3.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], out_channels: int,
                 deformable: bool, finest: int = 5) -> None:
        super().__init__()
        if deformable:
            raise ValueError('the top_down neck has no deformable convolutions')
        self.shapes = single(out_channels)
        self.levels = levels_of(strides)
        self.lateral = nn.ModuleList(
            conv_norm_act(channels[level], out_channels, kernel=1) for level in self.levels)
        self.fusion = nn.ModuleList(
            nn.Sequential(separable_conv(out_channels, out_channels, kernel),
                          separable_conv(out_channels, out_channels, kernel))
            for kernel in [finest] + [5] * (len(self.levels) - 1))

    def forward(self, stages: Sequence[Tensor]) -> dict[str, Tensor]:
        """Map stage outputs to one map, (B, out_channels, H / 4, W / 4)."""
        maps = [lateral(stages[level]) for level, lateral in zip(self.levels, self.lateral)]
        merged = self.fusion[-1](maps[-1])
        for finer, fusion in zip(reversed(maps[:-1]), reversed(self.fusion[:-1])):
            merged = fusion(finer + functional.interpolate(merged, scale_factor=2.0))
        return {FEATURES: merged}


def levels_of(strides: Sequence[int]) -> list[int]:
    """Return the indices of the stages of stride 4, 8, 16, ...; finer ones are not used."""
    levels = [index for index, stride in enumerate(strides) if stride >= STRIDE]
    used = [strides[level] for level in levels]
    if len(used) < 2 or used != [STRIDE * 2 ** index for index in range(len(used))]:
        raise ValueError(f'stages of strides {tuple(strides)}: this neck needs 4, 8, 16, ...')
    return levels
