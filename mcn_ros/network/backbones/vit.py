# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Vision transformers (Dosovitskiy et al., ICLR 2021), as masked autoencoders pre-train them.

Positions are sines and cosines as in K. He et al., "Masked Autoencoders Are Scalable Vision
Learners", CVPR 2022. They are computed for the grid of each input, so nothing of them is stored,
and images may have any size that patches divide.
"""

from collections import OrderedDict

import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.network.backbones.backbone import Backbone

WAVES = 10000.0  # the longest wave of a position by the shortest one, nearly
EPSILON = 1e-6  # of layer norms
EXPANSION = 4  # channels within a perceptron per channel

_NAMES = {
    'cls_token': 'stages.0.class_token',
    'patch_embed.proj': 'stages.0.embedding',
    'blocks': 'stages.0.blocks',
    'norm': 'stages.0.norm',
    # Positions are computed; the rest are a classifier, and what a masked autoencoder decodes by.
    'pos_embed': None,
    'head': None,
    'mask_token': None,
    'decoder_embed': None,
    'decoder_pos_embed': None,
    'decoder_blocks': None,
    'decoder_norm': None,
    'decoder_pred': None,
}


def vit_toy_p8() -> Backbone:
    """Return the one for tests and drawn images of 48 pixels; 0.35 M parameters."""
    return _backbone(VisionTransformer(96, 3, 4, patch=8, span=6))


def vit_micro_p8() -> Backbone:
    """Return the one for drawn images of 96 pixels; 1.22 M parameters."""
    return _backbone(VisionTransformer(128, 6, 4, patch=8, span=12))


def vit_tiny_p8() -> Backbone:
    """Return ViT-Tiny with patches of 8 pixels; 5.38 M parameters."""
    return _backbone(VisionTransformer(192, 12, 3, patch=8, span=28))


def vit_tiny_p16() -> Backbone:
    """Return ViT-Tiny with patches of 16 pixels; 5.49 M parameters."""
    return _backbone(VisionTransformer(192, 12, 3, patch=16, span=16))


class VisionTransformer(nn.Module):
    """
    Patches of an image to tokens, which attend to each other.

    :param width: channels of a token, a multiple of 4 and of ``heads``.
    :param depth: number of blocks.
    :param heads: of the attention in each.
    :param patch: side of a patch in input pixels.
    :param span: patches along a side of the grid that it is pre-trained on. Positions on other
        grids are stretched to this one, so they are like those that it knows.
    """

    def __init__(self, width: int, depth: int, heads: int, patch: int, span: int) -> None:
        super().__init__()
        self.width, self.patch, self.span = width, patch, span
        self.embedding = nn.Conv2d(3, width, patch, patch)
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, EPSILON)
        nn.init.normal_(self.class_token, std=0.02)
        nn.init.xavier_uniform_(self.embedding.weight.flatten(1))  # of a layer that is linear
        nn.init.zeros_(self.embedding.bias)
        self.apply(init_linear)

    def embed(self, images: Tensor) -> Tensor:
        """
        Map images to tokens that know their places.

        :param images: (B, 3, H, W) float, normalised; H and W multiples of the patch.
        :return: (B, H / patch * W / patch, width), row by row.
        """
        tokens = self.embedding(images)
        positions = sine_cosine(self.width, *tokens.shape[2:], self.span, tokens.device)
        return tokens.flatten(2).mT + positions.to(tokens.dtype)

    def encode(self, tokens: Tensor) -> Tensor:
        """
        Let tokens attend to each other.

        :param tokens: (B, N, width), any of those that :meth:`embed` gives.
        :return: (B, 1 + N, width), that of the class first.
        """
        first = self.class_token.expand(tokens.shape[0], -1, -1)
        return self.norm(self.blocks(torch.cat([first, tokens], dim=1)))

    def forward(self, images: Tensor) -> Tensor:
        """Map images as for :meth:`embed` to a map, (B, width, H / patch, W / patch)."""
        rows, columns = (side // self.patch for side in images.shape[2:])
        tokens = self.encode(self.embed(images))[:, 1:]
        return tokens.mT.unflatten(2, (rows, columns))


class Block(nn.Module):
    """
    Attention and a perceptron, each of what is normalised, and added to it.

    :param width: channels of a token.
    :param heads: of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, EPSILON)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, EPSILON)
        self.mlp = nn.Sequential(OrderedDict(
            fc1=nn.Linear(width, EXPANSION * width), act=nn.GELU(),
            fc2=nn.Linear(EXPANSION * width, width)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, N, width) to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Attention(nn.Module):
    """
    Attention of tokens to each other.

    :param width: channels of a token.
    :param heads: among which the channels are divided.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, N, width) to the same shape."""
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(attended.transpose(1, 2).flatten(2))


def init_linear(module: nn.Module) -> None:
    """Let linear layers start as those of transformers do; for ``Module.apply``."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def sine_cosine(width: int, rows: int, columns: int, span: int,
                device: torch.device | None = None) -> Tensor:
    """
    Compute positions: the first half of the channels tells x, the second one y.

    :param width: number of channels, a multiple of 4.
    :param rows: of the grid.
    :param columns: of the grid.
    :param span: cells that each side is stretched to; a side of so many has coordinates 0, 1, ...
    :param device: of the result.
    :return: (rows * columns, width) float32, row by row; of each half, sines come first.
    """
    assert width % 4 == 0, width
    steps = torch.arange(width // 4, device=device) / (width // 4)
    frequencies = WAVES ** -steps
    halves = []
    for count in (columns, rows):
        cells = torch.arange(count, device=device)
        angles = ((cells + 0.5) * (span / count) - 0.5)[:, None] * frequencies
        halves.append(torch.cat([angles.sin(), angles.cos()], dim=1))
    x, y = halves
    grid = [x[None].expand(rows, -1, -1), y[:, None].expand(-1, columns, -1)]
    return torch.cat(grid, dim=2).flatten(0, 1)


def _backbone(net: VisionTransformer) -> Backbone:
    return Backbone([net], (net.width,), (net.patch,), _NAMES)
