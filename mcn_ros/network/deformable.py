# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The deformable convolution, and which of its implementations is used where.

It is the modulated one (Zhu et al., "Deformable ConvNets v2", CVPR 2019) of a 3x3 kernel. What a
tap sees is a weighted sum of four pixels, which can be had in three ways:

- torchvision's operator. It is the one that compilers and ONNX know. On a GPU it runs on the
  default stream whichever is current, so in any other its result is not waited for, and a CUDA
  graph does not record it: there it may not be used.
- PyTorch's embedding bags, which are sums of rows, made to be fast: with pixels as rows they do
  the sampling, and one matrix product does the rest. Several times faster on a CPU.
- PyTorch's grid sampling, few kernels on a GPU, in whichever stream.

Positions are never in less than float32: half precision has steps of 1/16 at column 64.
"""

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from torchvision.ops import deform_conv2d, DeformConv2d

SIDE = 3  # of the kernel
TAPS = SIDE ** 2

# Samples in memory at a time, in numbers: few enough for a cache of the processor.
PART = TAPS * 2 ** 16


class ModulatedConv(DeformConv2d):
    """
    A 3x3 convolution of stride 1 whose taps are moved and weighted; weights are of any type.

    :param in_channels: of the input.
    :param out_channels: of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, SIDE, padding=SIDE // 2)

    def forward(self, x: Tensor, offsets: Tensor, strengths: Tensor) -> Tensor:
        """
        Map (B, in_channels, H, W) to (B, out_channels, H, W), float32 or as wide as the weights.

        :param offsets: (B, 2 TAPS, H, W) the way of each tap, (dy, dx), interleaved, in pixels.
        :param strengths: (B, TAPS, H, W) the weight of each tap.
        """
        wide = torch.promote_types(self.weight.dtype, torch.float32)
        values = x.to(wide), offsets.to(wide), strengths.to(wide)
        # What looks at a graph, to export or compile it, is to see the operator.
        if not (torch.jit.is_tracing() or torch.compiler.is_compiling()):
            if x.device.type == 'cpu':
                return bag_conv(*values, self.weight.to(wide), self.bias.to(wide))
            if not on_default_stream(x.device):
                return grid_conv(*values, self.weight, self.bias).to(wide)
        return operator_conv(*values, self.weight.to(wide), self.bias.to(wide))


def on_default_stream(device: torch.device) -> bool:
    """Return whether what is run now goes to the default stream of a GPU, or to no GPU at all."""
    if device.type != 'cuda':
        return True
    return torch.cuda.current_stream(device) == torch.cuda.default_stream(device)


def operator_conv(x: Tensor, offsets: Tensor, strengths: Tensor, weight: Tensor, bias: Tensor,
                  ) -> Tensor:
    """Return what torchvision's operator does, see :func:`bag_conv`."""
    return deform_conv2d(x, offsets, weight, bias, padding=SIDE // 2, mask=strengths)


def grid_conv(x: Tensor, offsets: Tensor, strengths: Tensor, weight: Tensor, bias: Tensor,
              ) -> Tensor:
    """
    Do the same by grid sampling, see :func:`bag_conv`; weights may be of a narrower type.

    :return: (B, O, H, W), channels_last, of the type of the weights.
    """
    height, width = x.shape[2:]
    taps = torch.arange(TAPS, device=x.device)[:, None]
    axes = []
    for index, (size, tap) in enumerate(((height, taps // SIDE), (width, taps % SIDE))):
        middles = torch.arange(size, device=x.device) + tap - SIDE // 2  # (TAPS, size)
        places = (2 * middles + 1).to(x.dtype) / size - 1  # the map reaches from -1 to 1
        places = places[:, None] if index else places[..., None]
        axes.append(torch.add(places, offsets[:, index::2], alpha=2 / size))
    # Far away is as good as just outside, and is an integer for certain.
    grid = torch.stack(axes[::-1], dim=4).clamp(-2, 2).flatten(1, 2)  # (B, TAPS H, W, 2) x, y
    with torch.autocast(x.device.type, enabled=False):
        samples = functional.grid_sample(x, grid, padding_mode='zeros', align_corners=False)
        samples = (samples.unflatten(2, (TAPS, height)) * strengths[:, None]).flatten(1, 2)
        samples = samples.to(weight.dtype, memory_format=torch.channels_last)
        return functional.conv2d(samples, weight.flatten(1)[..., None, None], bias)


def bag_conv(x: Tensor, offsets: Tensor, strengths: Tensor, weight: Tensor, bias: Tensor,
             ) -> Tensor:
    """
    Return what ``torchvision.ops.deform_conv2d`` does, of stride 1 and padding 1.

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
    with torch.autocast(x.device.type, enabled=False):
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
