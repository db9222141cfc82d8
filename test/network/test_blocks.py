# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The building blocks, above all where a deformable convolution looks."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from mcn_ros.network.blocks import (bilinear_kernel, DeformableConv, ResidualBlock,
                                    separable_conv, spatial_conv, TAPS, upsampling)


def plain(block: DeformableConv, x: torch.Tensor) -> torch.Tensor:
    """Apply the weights of a deformable convolution without its bias at the usual places."""
    return functional.conv2d(x, block.conv.weight, padding=1)


def test_deformable_starts_as_half_a_plain_convolution():
    block = DeformableConv(5, 7)
    x = torch.randn(2, 5, 9, 11)
    expected = 0.5 * plain(block, x) + block.conv.bias[:, None, None]
    torch.testing.assert_close(block(x), expected)


def test_offsets_are_rows_then_columns_and_weights_come_last():
    block = DeformableConv(3, 4)
    with torch.no_grad():
        block.sampling.bias[0:2 * TAPS:2] = 1.0  # dy
        block.sampling.bias[1:2 * TAPS:2] = 2.0  # dx
        block.sampling.bias[2 * TAPS:] = 50.0  # a sigmoid of one
        nn.init.zeros_(block.conv.bias)
    x = torch.randn(1, 3, 10, 12)
    torch.testing.assert_close(block(x)[..., 1:-2, 1:-3], plain(block, x)[..., 2:-1, 3:-1])


def test_each_tap_has_a_weight_of_its_own():
    block = DeformableConv(3, 4)
    with torch.no_grad():
        block.sampling.bias[2 * TAPS:] = -50.0
        block.sampling.bias[2 * TAPS] = 50.0  # the top left tap is all that is left
    x = torch.randn(1, 3, 6, 6)
    kernel = block.conv.weight.clone()
    kernel.view(4, 3, TAPS)[..., 1:] = 0
    torch.testing.assert_close(block(x), functional.conv2d(x, kernel, block.conv.bias, padding=1))


def test_deformable_works_under_autocast_with_gradients():
    block = DeformableConv(3, 4)
    with torch.autocast('cpu', torch.bfloat16):
        output = block(torch.randn(2, 3, 8, 8))
    output.float().pow(2).sum().backward()
    for parameter in block.parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any()


@pytest.mark.parametrize('factor', [2, 4, 8])
def test_upsampling_starts_bilinear(factor):
    x = torch.randn(2, 3, 6, 5)
    output = upsampling(3, factor)(x)
    expected = functional.interpolate(x, scale_factor=factor, mode='bilinear')
    inner = slice(factor, -factor)  # at the border, interpolation repeats and this one fades
    torch.testing.assert_close(output[..., inner, inner], expected[..., inner, inner])


def test_bilinear_kernel_keeps_the_sum():
    assert bilinear_kernel(4).sum().item() == pytest.approx(16)


def test_residual_block_adds_the_given_shortcut():
    block = ResidualBlock(4, 8, stride=2).eval()
    nn.init.zeros_(block.bn2.weight)
    shortcut = torch.rand(2, 8, 3, 4)
    torch.testing.assert_close(block(torch.randn(2, 4, 6, 8), shortcut), shortcut)


def test_separable_conv_is_small():
    count = sum(p.numel() for p in separable_conv(64, 32, kernel=5).parameters())
    assert count == 64 * 25 + 2 * 64 + 64 * 32 + 2 * 32


@pytest.mark.parametrize('deformable', [False, True])
def test_spatial_conv_keeps_the_size(deformable):
    block = spatial_conv(3, 6, deformable)
    assert block(torch.randn(2, 3, 7, 10)).shape == (2, 6, 7, 10)
    assert any(isinstance(m, DeformableConv) for m in block) == deformable
