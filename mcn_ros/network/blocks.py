# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Building blocks of backbones, necks and heads."""

from typing import Any, Iterable, Sequence

import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.network.deformable import ModulatedConv, TAPS

SLOPE = 0.1  # of leaky ReLUs, as in NanoDet


class DeformableConv(nn.Module):
    """
    A 3x3 convolution whose taps are moved and weighted by what another convolution sees.

    The 27 channels of ``sampling`` are, per pixel, nine offsets (dy, dx), interleaved, in pixels
    of the input map, then nine logits of the weights of the taps. It starts at zero: an
    ordinary convolution of half the strength.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.sampling = nn.Conv2d(in_channels, 3 * TAPS, 3, padding=1)
        nn.init.zeros_(self.sampling.weight)
        nn.init.zeros_(self.sampling.bias)
        self.conv = ModulatedConv(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H, W) of the same type."""
        sampling = self.sampling(x)
        # Positions and their shares are of full precision, whatever the weights are.
        sampling = sampling.to(torch.promote_types(sampling.dtype, torch.float32))
        offsets, strengths = sampling[:, :2 * TAPS], sampling[:, 2 * TAPS:].sigmoid()
        return self.conv(x, offsets, strengths).to(x.dtype)


class ReorderedConv(nn.Conv2d):
    """
    A convolution whose input comes in another order of channels than its weights have.

    To put small weights in order is cheaper than to put maps in order, and free in a compiled
    network, where they are constants.

    :param conv: the convolution; its parameters are shared.
    :param order: of each channel of the input, its place in the weights.
    """

    def __init__(self, conv: nn.Conv2d, order: Sequence[int]) -> None:
        assert conv.groups == 1 and sorted(order) == list(range(conv.in_channels))
        super().__init__(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride,
                         conv.padding, bias=conv.bias is not None, device='meta')
        self.weight, self.bias = conv.weight, conv.bias
        self.register_buffer('order', torch.tensor(order), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        return functional.conv2d(x, self.weight[:, self.order], self.bias, self.stride,
                                 self.padding)


class Comparable(nn.Module):
    """A module that can say how far one of its outputs is from another."""

    def distance(self, output: Any, other: Any) -> Tensor:
        """
        Return the distance of two outputs for the same images, a scalar.

        :param output: what this module returned.
        :param other: the same with other weights; its magnitude is the unit.
        """
        raise NotImplementedError


def relative_error(outputs: Iterable[Tensor], others: Iterable[Tensor]) -> Tensor:
    """Return the mean squared difference of maps, of each relative to the other's variance."""
    return torch.stack([functional.mse_loss(mine.float(), its.float()) / its.float().var()
                        for mine, its in zip(outputs, others, strict=True)]).mean()


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al., CVPR 2016), the shortcut given or x."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        shortcut = x if shortcut is None else shortcut
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + shortcut)


def conv_norm_act(in_channels: int, out_channels: int, kernel: int = 3,
                  stride: int = 1) -> nn.Sequential:
    """Return convolution, batch norm, ReLU; the map keeps its size divided by the stride."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


def separable_conv(in_channels: int, out_channels: int, kernel: int = 3) -> nn.Sequential:
    """
    Return a depth-wise convolution, then a 1x1 one, each with batch norm, and a ReLU at the end.

    There is none in between: depth-wise separable layers learn better without it (Chollet,
    "Xception", CVPR 2017, section 4.7).
    """
    depth_wise = nn.Conv2d(in_channels, in_channels, kernel, padding=kernel // 2,
                           groups=in_channels, bias=False)
    return nn.Sequential(depth_wise, nn.BatchNorm2d(in_channels),
                         *conv_norm_act(in_channels, out_channels, kernel=1))


def leaky_conv(in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1,
               groups: int = 1) -> nn.Sequential:
    """Return convolution, batch norm, leaky ReLU of slope 0.1."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups,
                     bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.LeakyReLU(SLOPE, inplace=True))


def leaky_separable_conv(in_channels: int, out_channels: int, kernel: int,
                         stride: int = 1) -> nn.Sequential:
    """Return a depth-wise convolution, then a 1x1 one, each with batch norm and leaky ReLU."""
    return nn.Sequential(*leaky_conv(in_channels, in_channels, kernel, stride, in_channels),
                         *leaky_conv(in_channels, out_channels))


def spatial_conv(in_channels: int, out_channels: int, deformable: bool) -> nn.Sequential:
    """Return a 3x3 convolution, deformable or plain, batch norm, ReLU."""
    if not deformable:
        return conv_norm_act(in_channels, out_channels)
    return nn.Sequential(DeformableConv(in_channels, out_channels),
                         nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


def upsampling(channels: int, factor: int) -> nn.ConvTranspose2d:
    """Return a trainable upsampling of each channel for itself, bilinear at the start."""
    layer = nn.ConvTranspose2d(channels, channels, 2 * factor, factor, factor // 2,
                               groups=channels, bias=False)
    with torch.no_grad():
        layer.weight.copy_(bilinear_kernel(factor).expand_as(layer.weight))
    return layer


def bilinear_kernel(factor: int) -> Tensor:
    """
    Return the transposed convolution that is bilinear interpolation.

    :param factor: of the enlargement; even, so that pixel centres fall between output pixels.
    :return: (2 factor, 2 factor) float32.
    """
    assert factor % 2 == 0
    position = (torch.arange(2 * factor) + 0.5) / factor - 1
    line = 1 - position.abs()
    return line[:, None] * line[None, :]
