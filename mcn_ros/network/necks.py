# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Necks: the stages of a backbone to features, which in most are one map of stride 4.

Every neck is built from (channels and strides of all stages, channels of the result, whether
its 3x3 convolutions are deformable), maps the list of stage outputs to features, and says in
``shapes`` what these are.
"""

import math
from typing import Sequence

import torch
from torch import nn, Tensor

from mcn_ros.geometry import STRIDE
from mcn_ros.network.blocks import bilinear_kernel, conv_norm_act, spatial_conv, upsampling
from mcn_ros.network.features import FEATURES, MapShape, pyramid_levels, READINGS, single
from mcn_ros.network.ghost_pan import DenseGhostPanNeck, GhostPanNeck
from mcn_ros.network.movenet_neck import MoveNetNeck, MoveNetPanNeck
from mcn_ros.network.nanodet import CHANNELS, Detector, enlarge, STRIDES
from mcn_ros.network.top_down import TopDownNeck


class DeconvNeck(nn.Module):
    """
    Transposed convolutions on top of the last stage (CenterNet's ``resnet_dcn``).

    Each doubles the resolution, after a 3x3 convolution that brings the channels down to four
    times, then twice, then once those of the result.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], out_channels: int,
                 deformable: bool) -> None:
        super().__init__()
        self.shapes = single(out_channels)
        layers, width = [], channels[-1]
        for power in reversed(range(_doublings('deconv', strides))):
            narrower = out_channels * 2 ** power
            layers += [spatial_conv(width, narrower, deformable), _bilinear_doubling(narrower)]
            width = narrower
        self.layers = nn.Sequential(*layers)

    def forward(self, stages: Sequence[Tensor]) -> dict[str, Tensor]:
        """Map stage outputs to one map, (B, out_channels, H / 4, W / 4)."""
        return {FEATURES: self.layers(stages[-1])}


class TransposedNeck(nn.Module):
    """
    Wide transposed convolutions on top of the last stage (CenterNet's ``msra_resnet``).

    Each doubles the resolution, and all have the channels of the result (Xiao et al., "Simple
    Baselines for Human Pose Estimation and Tracking", ECCV 2018; there and in CenterNet: 256).
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], out_channels: int,
                 deformable: bool) -> None:
        super().__init__()
        if deformable:
            raise ValueError('the transposed neck has no deformable convolutions')
        self.shapes = single(out_channels)
        widths = [channels[-1]] + [out_channels] * _doublings('transposed', strides)
        self.layers = nn.Sequential(*map(_doubling, widths, widths[1:]))

    def forward(self, stages: Sequence[Tensor]) -> dict[str, Tensor]:
        """Map stage outputs to one map, (B, out_channels, H / 4, W / 4)."""
        return {FEATURES: self.layers(stages[-1])}


class AggregationNeck(nn.Module):
    """
    Iterative deep aggregation (Yu et al., CVPR 2018, figure 4; CenterNet's ``dla_up, ida_up``).

    From coarse to fine, each level is merged with everything coarser that has been brought to
    its resolution; then the results of all levels but the coarsest are merged at the finest.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], out_channels: int,
                 deformable: bool) -> None:
        super().__init__()
        self.shapes = single(out_channels)
        self.levels = pyramid_levels(strides)
        width = [channels[level] for level in self.levels]
        # By the time that a level is merged, all that is coarser looks like the next level.
        self.merges = nn.ModuleList(
            Aggregation(width[level], [width[level + 1]] * (len(width) - 1 - level),
                        [2] * (len(width) - 1 - level), deformable)
            for level in reversed(range(len(width) - 1)))
        self.project = nn.Identity()
        if width[0] != out_channels:
            self.project = spatial_conv(width[0], out_channels, deformable)
        self.last = Aggregation(out_channels, width[1:-1],
                                [2 ** level for level in range(1, len(width) - 1)], deformable)

    def forward(self, stages: Sequence[Tensor]) -> dict[str, Tensor]:
        """Map stage outputs to one map, (B, out_channels, H / 4, W / 4)."""
        maps, results = [stages[level] for level in self.levels], []
        for level, merge in zip(reversed(range(len(maps) - 1)), self.merges):
            maps[level:] = merge(maps[level:])
            results.insert(0, maps[-1])
        return {FEATURES: self.last([self.project(results[0]), *results[1:]])[-1]}


class Aggregation(nn.Module):
    """
    Merge coarser maps, one after another, into a fine one.

    :param out_channels: of the fine map and of all results.
    :param channels: of each coarser map.
    :param factors: how many times coarser each is.
    :param deformable: use deformable convolutions.
    """

    def __init__(self, out_channels: int, channels: Sequence[int], factors: Sequence[int],
                 deformable: bool) -> None:
        super().__init__()
        self.projects = nn.ModuleList(
            spatial_conv(width, out_channels, deformable) for width in channels)
        self.upsamplings = nn.ModuleList(upsampling(out_channels, factor) for factor in factors)
        self.nodes = nn.ModuleList(
            spatial_conv(out_channels, out_channels, deformable) for _ in channels)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Map the fine map and the coarser ones to as many maps of the size of the fine one."""
        results = [maps[0]]
        for coarse, project, upsample, node in zip(maps[1:], self.projects, self.upsamplings,
                                                   self.nodes):
            results.append(node(upsample(project(coarse)) + results[-1]))
        return results


class ConcatenationNeck(nn.Module):
    """
    Iterative deep aggregation by concatenation (CenterNet's ``dlav0``).

    From coarse to fine, each level is merged with everything coarser that has been brought to
    its resolution, and what comes last at the finest is the result.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], out_channels: int,
                 deformable: bool) -> None:
        super().__init__()
        self.shapes = single(out_channels)
        self.levels = pyramid_levels(strides)
        width = [channels[level] for level in self.levels]
        self.merges = nn.ModuleList(
            Concatenation(width[level], [width[level + 1]] * (len(width) - 1 - level), deformable)
            for level in reversed(range(len(width) - 1)))
        self.project = nn.Identity()
        if width[0] != out_channels:
            self.project = conv_norm_act(width[0], out_channels, kernel=1)

    def forward(self, stages: Sequence[Tensor]) -> dict[str, Tensor]:
        """Map stage outputs to one map, (B, out_channels, H / 4, W / 4)."""
        maps = [stages[level] for level in self.levels]
        for level, merge in zip(reversed(range(len(maps) - 1)), self.merges):
            maps[level + 1:] = merge(maps[level:])
        return {FEATURES: self.project(maps[-1])}


class Concatenation(nn.Module):
    """
    Merge coarser maps, one after another, into a fine one, to whose channels theirs are put.

    :param out_channels: of the fine map and of all results.
    :param channels: of each coarser map; each is coarser by a factor of 2.
    :param deformable: use deformable convolutions.
    """

    def __init__(self, out_channels: int, channels: Sequence[int], deformable: bool) -> None:
        super().__init__()
        self.projects = nn.ModuleList(
            conv_norm_act(width, out_channels, kernel=1) for width in channels)
        self.upsamplings = nn.ModuleList(upsampling(out_channels, 2) for _ in channels)
        self.nodes = nn.ModuleList(
            spatial_conv(2 * out_channels, out_channels, deformable) for _ in channels)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Map the fine map and the coarser ones to as many as these, of the fine one's size."""
        results = [maps[0]]
        for coarse, project, upsample, node in zip(maps[1:], self.projects, self.upsamplings,
                                                   self.nodes):
            results.append(node(torch.cat([results[-1], upsample(project(coarse))], dim=1)))
        return results[1:]


class NanoDetNeck(nn.Module):
    """
    A light neck whose larger part can start from a trained detector.

    It gives two maps: what the detector says, as it says it, of stride 8; and of stride 4 what a
    :class:`TopDownNeck` makes of the detector's features, of the stages that it has them from and
    of the stage of stride 4. So joints, which a detector does not look at, can be seen while it
    stays as it is.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], out_channels: int,
                 deformable: bool, width: int = 96) -> None:
        super().__init__()
        if deformable:
            raise ValueError('the nanodet neck has no deformable convolutions')
        self.levels = pyramid_levels(strides, exactly=(STRIDE, *STRIDES))
        self.shapes = {**single(out_channels), READINGS: MapShape(CHANNELS, STRIDES[0])}
        first, *others = (channels[level] for level in self.levels)
        self.detector = Detector(others, width)
        self.top_down = TopDownNeck([first] + [width + channel for channel in others],
                                    [strides[level] for level in self.levels],
                                    out_channels, deformable, finest=3)

    def forward(self, stages: Sequence[Tensor]) -> dict[str, Tensor]:
        """Map stage outputs to (B, out_channels, H / 4, W / 4) and (B, CHANNELS, H / 8, W / 8)."""
        first, *others = (stages[level] for level in self.levels)
        features, readings = self.detector(others)
        learned = self.top_down([first] + [torch.cat(pair, dim=1)
                                           for pair in zip(features, others)])
        return {**learned, READINGS: readings}


class NanoDetJointNeck(NanoDetNeck):
    """
    The same with both in one map of stride 4, at whose end is what the detector says.

    It is the larger part of the features, and costs every head that sees it.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], out_channels: int,
                 deformable: bool, width: int = 96) -> None:
        if out_channels <= CHANNELS:
            raise ValueError(f'channels: {out_channels}, but the nanodet_joint neck needs '
                             f'{CHANNELS} for what the detector says, and some more')
        super().__init__(channels, strides, out_channels - CHANNELS, deformable, width)
        self.shapes = single(out_channels)

    def forward(self, stages: Sequence[Tensor]) -> dict[str, Tensor]:
        """Map stage outputs to one map, (B, out_channels, H / 4, W / 4)."""
        maps = super().forward(stages)
        # Of one memory layout, or every layer that follows would make a copy.
        learned = maps[FEATURES].contiguous(memory_format=torch.channels_last)
        readings = enlarge(maps[READINGS]).to(learned.dtype, memory_format=torch.channels_last)
        return {FEATURES: torch.cat([learned, readings], dim=1)}


def _doublings(neck: str, strides: Sequence[int]) -> int:
    """Return how often the last stage is to be enlarged to twice its size."""
    doublings = int(math.log2(strides[-1] / STRIDE))
    if doublings < 1 or strides[-1] != STRIDE * 2 ** doublings:
        raise ValueError(f'a last stage of stride {strides[-1]}: the {neck} neck needs one '
                         f'of {2 * STRIDE}, {4 * STRIDE}, {8 * STRIDE}, ...')
    return doublings


def _doubling(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a transposed convolution to twice the size, batch norm, ReLU."""
    return nn.Sequential(nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, bias=False),
                         nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


def _bilinear_doubling(channels: int) -> nn.Sequential:
    """Return a doubling that starts as the bilinear upsampling of each channel."""
    layers = _doubling(channels, channels)
    with torch.no_grad():
        identity = torch.eye(channels)[:, :, None, None]
        layers[0].weight.copy_(identity * bilinear_kernel(2))
    return layers


NECKS: dict[str, type] = {
    'deconv': DeconvNeck,
    'transposed': TransposedNeck,
    'aggregation': AggregationNeck,
    'concatenation': ConcatenationNeck,
    'top_down': TopDownNeck,
    'nanodet': NanoDetNeck,
    'nanodet_joint': NanoDetJointNeck,
    'ghost_pan': GhostPanNeck,
    'ghost_pan_dense': DenseGhostPanNeck,
    'movenet': MoveNetNeck,
    'movenet_pan': MoveNetPanNeck,
}
