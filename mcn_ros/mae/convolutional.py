# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Two ways to pre-train convolutional backbones by hidden cells of 32 x 32 pixels.

SparK: K. Tian et al., "Designing BERT for Convolutional Networks: Sparse and Hierarchical Masked
Modeling", ICLR 2023. SimMIM: Z. Xie et al., "SimMIM: A Simple Framework for Masked Image
Modeling", CVPR 2022.
"""

from dataclasses import dataclass
from typing import Sequence

import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.mae.model import patches, Reconstructor
from mcn_ros.mae.sparse import CELL, SparseBackbone, STRIDES
from mcn_ros.network.backbones import BACKBONES, TRANSFORMERS
from mcn_ros.network.backbones.backbone import Backbone

CONVOLUTIONAL = tuple(name for name in BACKBONES if name not in TRANSFORMERS)
HIDDEN = 0.6  # share of the cells


@dataclass(frozen=True)
class ConvolutionalConfig:
    """
    A convolutional backbone, and how its hidden cells are reconstructed.

    :param backbone: one of ``BACKBONES`` that is no transformer.
    :param width: channels of SparK's decoder where it is coarsest, a multiple of 4. On a CPU, the
        decoder of 256 takes more time than a small backbone.
    :param norm_pix: reconstruct cells of mean 0 and variance 1.
    :raises ValueError: for another backbone, and a width that does not fit.
    """

    backbone: str = 'shufflenet_v2_x1_0'
    width: int = 256
    norm_pix: bool = True

    def __post_init__(self) -> None:
        if self.backbone not in CONVOLUTIONAL:
            raise ValueError(f'backbone: {self.backbone!r} is not one of '
                             f'{", ".join(CONVOLUTIONAL)}')
        if self.width < 4 or self.width % 4:
            raise ValueError(f'width: {self.width} is no positive multiple of 4')


class Spark(Reconstructor):
    """
    A backbone that sees visible cells only, and a decoder that adds its maps from coarse to fine.

    :param config: its parts.
    """

    usual_share, patch = HIDDEN, CELL

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        self.norm_pix = config.norm_pix
        self.encoder = SparseBackbone(BACKBONES[config.backbone]())
        self.decoder = PyramidDecoder(self.encoder.channels, config.width)

    @property
    def backbone(self) -> Backbone:
        """Return what is of use to other networks; within this one it sees visible cells."""
        return self.encoder.backbone

    def forward(self, images: Tensor, keep: Tensor) -> Tensor:
        """Reconstruct all cells from some; see :meth:`Reconstructor.forward`."""
        visible = visible_cells(images, keep)
        return patches(self.decoder(self.encoder(images, visible), visible), CELL)


class PyramidDecoder(nn.Module):
    """
    Maps of stride 32, 16, 8 and 4 to pixels; hidden places are filled by a token for each map.

    :param channels: of the maps of stride 4, 8, 16 and 32.
    :param width: channels at stride 32 and 16; a half and a quarter of it at 8 and 4.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        widths = [width // 4, width // 2, width, width]
        self.tokens = nn.ParameterList(torch.empty(1, count, 1, 1) for count in channels)
        for token in self.tokens:
            nn.init.normal_(token, std=0.02)
        # What is coarsest has no neighbours to be looked at.
        kernels = [3, 3, 3, 1]
        self.projections = nn.ModuleList(
            nn.Conv2d(count, own, kernel, padding=kernel // 2)
            for count, own, kernel in zip(channels, widths, kernels))
        self.doublings = nn.ModuleList(
            _doubling(coarse, fine) for coarse, fine in zip(widths[1:], widths))
        self.pixels = nn.Conv2d(widths[0], 3 * STRIDES[0] ** 2, 1)

    def forward(self, maps: Sequence[Tensor], visible: Tensor) -> Tensor:
        """
        Decode.

        :param maps: from :class:`SparseBackbone`.
        :param visible: (B, 1, rows, columns) bool.
        :return: (B, 3, 32 * rows, 32 * columns).
        """
        projected = [self.projections[level](self._fill(level, each, visible))
                     for level, each in enumerate(maps)]
        x = projected[-1]
        for doubling, finer in zip(reversed(self.doublings), projected[-2::-1]):
            x = doubling(x) + finer
        return functional.pixel_shuffle(self.pixels(x), STRIDES[0])

    def _fill(self, level: int, values: Tensor, visible: Tensor) -> Tensor:
        """Put the token of a map in the place of what is hidden."""
        seen = functional.interpolate(visible.to(values.dtype), values.shape[2:])
        return torch.where(seen.bool(), values, self.tokens[level].to(values.dtype))


def _doubling(channels: int, out_channels: int) -> nn.Sequential:
    """Return what doubles the resolution of a map."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels, channels, 4, 2, 1),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
        nn.ReLU6(), nn.Conv2d(channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels))


class SimMim(Reconstructor):
    """
    The plain backbone, which sees hidden cells as grey ones, and a layer that reconstructs them.

    It learns the borders of grey cells, too, and its batch norms learn how much grey there is:
    the baseline of :class:`Spark`. The error is that of absolute differences.

    :param config: its parts.
    """

    usual_share, patch = HIDDEN, CELL

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        self.norm_pix = config.norm_pix
        self.backbone = BACKBONES[config.backbone]()
        self.pixels = nn.Conv2d(self.backbone.channels[-1], 3 * CELL ** 2, 1)

    def forward(self, images: Tensor, keep: Tensor) -> Tensor:
        """Reconstruct all cells from some; see :meth:`Reconstructor.forward`."""
        visible = visible_cells(images, keep).to(images.dtype)
        # Normalised, the mean colour is 0.
        seen = images * functional.interpolate(visible, images.shape[2:])
        pixels = functional.pixel_shuffle(self.pixels(self.backbone(seen)[-1]), CELL)
        return patches(pixels, CELL)

    def distance(self, difference: Tensor) -> Tensor:
        """Return absolute differences."""
        return difference.abs()


def visible_cells(images: Tensor, keep: Tensor) -> Tensor:
    """
    Return which cells are visible as a map.

    :param images: (B, C, H, W); H and W multiples of 32.
    :param keep: (B, V) int64, the visible cells of each image.
    :return: (B, 1, H / 32, W / 32) bool.
    """
    rows, columns = (side // CELL for side in images.shape[2:])
    visible = torch.zeros(len(images), rows * columns, dtype=torch.bool, device=images.device)
    return visible.scatter(1, keep, True).unflatten(1, (1, rows, columns))
