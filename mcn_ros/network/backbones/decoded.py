# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Vision transformers that keep the decoder by which a masked autoencoder learned them.

Source: K. He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022.
"""

from dataclasses import dataclass
from typing import Mapping

import torch
from torch import nn, Tensor

from mcn_ros.network.backbones.backbone import Backbone
from mcn_ros.network.backbones.vit import (Block, EPSILON, init_linear, sine_cosine,
                                           VisionTransformer)

_NAMES = {
    'decoder_embed': 'embedding',
    'mask_token': 'mask_token',
    'decoder_blocks': 'blocks',
    'decoder_norm': 'norm',
    'decoder_pred': 'pixels',
}
_DECODER = 'stages.0.decoder'  # its name in a backbone


@dataclass(frozen=True)
class DecoderConfig:
    """
    The shape of a decoder.

    :param width: channels of its tokens, a multiple of 4 and of ``heads``.
    :param depth: number of blocks.
    :param heads: of the attention in each.
    :raises ValueError: for sizes that do not fit.
    """

    width: int = 128
    depth: int = 2
    heads: int = 4

    def __post_init__(self) -> None:
        for name in ('width', 'depth', 'heads'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name}: {getattr(self, name)} is not positive')
        if self.width % 4 or self.width % self.heads:
            raise ValueError(f'width: {self.width} is no multiple of 4 and of {self.heads} heads')


class TokenDecoder(nn.Module):
    """
    Tokens of visible patches to all patches; in place of the hidden ones there is one token.

    :param config: its shape.
    :param channels: of the tokens of the encoder.
    :param span: see :class:`mcn_ros.network.backbones.vit.VisionTransformer`.
    :param outputs: values that a last layer makes of each token; None for no such layer.
    :cvar public_names: see :class:`Backbone`.
    """

    public_names: Mapping[str, str | None] = _NAMES

    def __init__(self, config: DecoderConfig, channels: int, span: int,
                 outputs: int | None = None) -> None:
        super().__init__()
        self.span = span
        self.embedding = nn.Linear(channels, config.width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, config.width))
        self.blocks = nn.Sequential(*(Block(config.width, config.heads)
                                      for _ in range(config.depth)))
        self.norm = nn.LayerNorm(config.width, EPSILON)
        self.pixels = nn.Linear(config.width, outputs) if outputs else nn.Identity()
        nn.init.normal_(self.mask_token, std=0.02)
        self.apply(init_linear)

    def forward(self, tokens: Tensor, keep: Tensor | None, grid: tuple[int, int]) -> Tensor:
        """
        Decode all patches.

        :param tokens: (B, 1 + V, channels), that of the class first.
        :param keep: (B, V) int64, where the others are; None where these are all, in order.
        :param grid: rows and columns of patches.
        :return: (B, rows * columns, outputs); without a last layer, (B, rows * columns, width).
        """
        tokens = self.embedding(tokens)
        width = tokens.shape[2]
        everywhere = tokens[:, 1:]
        if keep is not None:
            filled = self.mask_token.to(tokens.dtype).expand(len(keep), grid[0] * grid[1], -1)
            everywhere = filled.scatter(1, keep[..., None].expand(-1, -1, width), everywhere)
        positions = sine_cosine(width, *grid, self.span, tokens.device).to(tokens.dtype)
        x = torch.cat([tokens[:, :1], everywhere + positions], dim=1)
        return self.pixels(self.norm(self.blocks(x)))[:, 1:]


class DecodedTransformer(nn.Module):
    """
    A transformer and a decoder: an image to a map of what is decoded.

    :param encoder: the transformer.
    :param config: the shape of the decoder.
    :param hidden: share of the patches that are hidden in training, others for each image: what
        they show has to be told from the rest. All are visible otherwise.
    """

    def __init__(self, encoder: VisionTransformer, config: DecoderConfig, hidden: float) -> None:
        super().__init__()
        self.encoder, self.hidden = encoder, hidden
        self.decoder = TokenDecoder(config, encoder.width, encoder.span)
        if not hidden:
            self.decoder.mask_token = None  # nothing would teach it

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, width of the decoder, H / patch, W / patch)."""
        tokens, keep = self.encoder.embed(images), None
        if self.training and self.hidden:
            keep = _visible(tokens, self.hidden)
            tokens = torch.take_along_dim(tokens, keep[..., None], dim=1)
        grid = tuple(side // self.encoder.patch for side in images.shape[2:])
        return self.decoder(self.encoder.encode(tokens), keep, grid).mT.unflatten(2, grid)


def decoded(backbone: Backbone, config: DecoderConfig, hidden: float = 0.0) -> Backbone:
    """
    Return a backbone that ends with a decoder.

    It takes checkpoints that have the decoder, too, as :mod:`mcn_ros.mae` writes them.

    :param backbone: a vision transformer, which becomes part of it.
    :param config: the shape of the decoder.
    :param hidden: see :class:`DecodedTransformer`.
    """
    encoder, = backbone.stages
    stage = DecodedTransformer(encoder, config, hidden)
    names = {public: own and own.replace('stages.0', 'stages.0.encoder', 1)
             for public, own in backbone.public_names.items()}
    names |= {public: f'{_DECODER}.{own}' for public, own in TokenDecoder.public_names.items()}
    names |= {'decoder_pred': None} | ({} if hidden else {'mask_token': None})
    return Backbone([stage], (config.width,), backbone.strides, names)


def _visible(tokens: Tensor, hidden: float) -> Tensor:
    """Draw visible patches, others for each image; (B, V) int64, one at least."""
    count = max(round(tokens.shape[1] * (1 - hidden)), 1)
    return torch.rand(tokens.shape[:2], device=tokens.device).argsort(dim=1)[:, :count]
