# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The deformable convolution on a CPU, several times faster than torchvision's operator there.

It is the modulated one (Zhu et al., "Deformable ConvNets v2", CVPR 2019) of a 3x3 kernel. What a
tap sees is a weighted sum of four pixels: PyTorch's embedding bags are such sums of rows, made to
be fast, so with pixels as rows they do the sampling, and one matrix product does the rest.
"""

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

SIDE = 3  # of the kernel
TAPS = SIDE ** 2

# Samples in memory at a time, in numbers: few enough for a cache of the processor.
PART = TAPS * 2 ** 16


def deformable_conv(x: Tensor, offsets: Tensor, strengths: Tensor, weight: Tensor, bias: Tensor,
                    ) -> Tensor:
    """
    Return what ``torchvision.ops.deform_conv2d`` does, of stride 1 and padding 1, on a CPU.

    Backward samples again, so that no more is kept than by that operator; autocast is passed by,
    as it is there.

    :param x: (B, C, H, W) float; fastest in the memory format channels_last.
    :param offsets: (B, 2 TAPS, H, W) the way of each tap, (dy, dx), interleaved, in pixels.
    :param strengths: (B, TAPS, H, W) the weight of each tap.
    :param weight: (O, C, SIDE, SIDE).
    :param bias: (O,).
    :return: (B, O, H, W), channels_last.
    """
    batch, _, height, width = x.shape
    kernel = weight.permute(2, 3, 1, 0).flatten(0, 2)  # (TAPS C, O)
    with torch.autocast('cpu', enabled=False):
        images = [checkpoint(_convolve, *inputs, width, kernel, bias, use_reentrant=False,
                             preserve_rng_state=False)
                  for inputs in zip(_rows(x), _rows(offsets), _rows(strengths))]
    return torch.stack(images).view(batch, height, width, -1).permute(0, 3, 1, 2)


def _rows(maps: Tensor) -> Tensor:
    """Return the pixels of maps (B, C, H, W) as rows, (B, H W, C)."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)


def _convolve(pixels: Tensor, offsets: Tensor, strengths: Tensor, width: int, kernel: Tensor,
              bias: Tensor) -> Tensor:
    """Convolve one image (H W, C) of so many columns; return (H W, O)."""
    num, channels = pixels.shape
    rows, shares = _neighbours(offsets.unflatten(1, (TAPS, 2)), strengths, num // width, width)
    parts = []
    for indices, weights in zip(*(values.split(PART // TAPS // channels + 1)
                                  for values in (rows, shares))):
        samples = functional.embedding_bag(indices.flatten(0, 1), pixels, mode='sum',
                                           per_sample_weights=weights.flatten(0, 1))
        parts.append(torch.addmm(bias, samples.view(-1, TAPS * channels), kernel))
    return torch.cat(parts)


def _neighbours(offsets: Tensor, strengths: Tensor, height: int, width: int,
                ) -> tuple[Tensor, Tensor]:
    """
    Return the four pixels around each sample, and the share of each in it.

    :param offsets: (H W, TAPS, 2) y, x from the usual places of the taps.
    :param strengths: (H W, TAPS).
    :return: flat pixels (H W, TAPS, 4) int32, and their shares (H W, TAPS, 4), of which those of
        pixels beyond the border are 0.
    """
    pixels = torch.arange(height * width, device=offsets.device)
    taps = torch.arange(TAPS, device=offsets.device)
    axes = []
    for axis, (place, tap, size) in enumerate((
            (pixels // width, taps // SIDE, height), (pixels % width, taps % SIDE, width))):
        position = offsets[..., axis] + (place[:, None] + tap - 1)
        below = position.detach().floor()
        upper = position - below
        # Far away is as good as just outside, and is an integer for certain.
        below = below.clamp(-2, size).int()
        axes.append([(pixel.clamp(0, size - 1), share * ((pixel >= 0) & (pixel < size)))
                     for pixel, share in ((below, 1 - upper), (below + 1, upper))])
    rows, columns = axes
    return (torch.stack([y * width + x for y, _ in rows for x, _ in columns], dim=2),
            torch.stack([strengths * v * u for _, v in rows for _, u in columns], dim=2))
