# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A masked autoencoder: of an image it sees a few patches, and reconstructs the others.

Source: K. He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022.
"""

from dataclasses import dataclass

import torch
from torch import nn, Tensor

from mcn_ros.network.backbones import BACKBONES, TRANSFORMERS
from mcn_ros.network.backbones.backbone import Backbone
from mcn_ros.network.backbones.decoded import DecoderConfig, TokenDecoder
from mcn_ros.network.backbones.pretrained import public_state
from mcn_ros.network.backbones.vit import EPSILON, VisionTransformer

# Shares of the patches that are hidden. Most batches have the usual one; the others make the
# network at home with few visible patches, as relations between patches need it.
USUAL_SHARE, LEAST_SHARE, LARGEST_SHARE = 0.75, 0.5, 0.97
USUALLY = 0.75  # share of the batches with the usual one


@dataclass(frozen=True)
class AutoencoderConfig:
    """
    The parts of a masked autoencoder.

    :param backbone: a transformer among ``BACKBONES``, the encoder.
    :param width: channels of the tokens of the decoder, a multiple of 4 and of ``heads``.
    :param depth: number of blocks of the decoder.
    :param heads: of the attention in each.
    :param norm_pix: reconstruct patches of mean 0 and variance 1. That serves networks that go on
        to other tasks; for relations, the colour of patches must not be lost.
    :raises ValueError: for another backbone, and sizes that do not fit.
    """

    backbone: str = 'vit_tiny_p16'
    width: int = 128
    depth: int = 2
    heads: int = 4
    norm_pix: bool = False

    def __post_init__(self) -> None:
        if self.backbone not in TRANSFORMERS:
            raise ValueError(f'backbone: {self.backbone!r} is not one of '
                             f'{", ".join(TRANSFORMERS)}')
        _ = self.decoder  # which checks its sizes

    @property
    def decoder(self) -> DecoderConfig:
        """Return the shape of the decoder."""
        return DecoderConfig(self.width, self.depth, self.heads)


SIZES = {
    'toy': AutoencoderConfig('vit_toy_p8', 64, 1),
    'micro': AutoencoderConfig('vit_micro_p8', 96, 2),
    'tiny_p8': AutoencoderConfig('vit_tiny_p8'),
    'tiny_p16': AutoencoderConfig('vit_tiny_p16'),
}


class Reconstructor(nn.Module):
    """
    What learns a backbone by reconstructing hidden patches of images from the visible ones.

    Patches are counted row by row. Images are normalised, (B, 3, H, W) float, and their sides
    multiples of the patch.

    :cvar usual_share: of the patches that are hidden.
    :ivar backbone: what is of use to other networks.
    :ivar patch: side of a patch in input pixels.
    :ivar norm_pix: whether what is reconstructed are patches of mean 0 and variance 1.
    """

    usual_share: float
    backbone: Backbone
    patch: int
    norm_pix: bool

    def forward(self, images: Tensor, keep: Tensor) -> Tensor:
        """
        Reconstruct all patches from some.

        :param images: see :class:`Reconstructor`.
        :param keep: (B, V) int64, the visible patches of each image.
        :return: (B, N, 3 * patch ** 2), as :func:`patches` gives them; with ``norm_pix``, those
            of mean 0 and variance 1.
        """
        raise NotImplementedError

    def share(self, generator: torch.Generator) -> float:
        """Draw which share of the patches a batch hides."""
        return self.usual_share

    def public_state(self) -> dict[str, Tensor]:
        """Return what other networks can start from, by the names of public checkpoints."""
        return public_state(self.backbone)

    def distance(self, difference: Tensor) -> Tensor:
        """Return how wrong values are that differ so much from what they should be."""
        return difference.square()

    def errors(self, images: Tensor, keep: Tensor) -> Tensor:
        """
        Return how wrong the reconstruction of each patch is.

        :param images: see :class:`Reconstructor`.
        :param keep: (B, V) int64, the visible patches of each image.
        :return: (B, N) float, see :meth:`distance`, their mean over the values of the patch.
        """
        target = patches(images, self.patch)
        if self.norm_pix:
            mean, deviation = _spread(target)
            target = (target - mean) / deviation
        return self.distance(self(images, keep) - target).mean(dim=2)

    def loss(self, images: Tensor, keep: Tensor) -> Tensor:
        """Return the mean error of the hidden patches; see :meth:`errors`."""
        errors = self.errors(images, keep)
        hidden = torch.ones_like(errors).scatter(1, keep, 0)
        return (errors * hidden).sum() / hidden.sum()

    def reconstruct(self, images: Tensor, keep: Tensor) -> Tensor:
        """
        Reconstruct patches in their colours.

        With ``norm_pix``, the mean and contrast of each are those that it has: they are not
        learned.

        :return: (B, N, 3 * patch ** 2), normalised as the images are.
        """
        found = self(images, keep)
        if self.norm_pix:
            mean, deviation = _spread(patches(images, self.patch))
            found = found * deviation + mean
        return found


def _spread(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of each patch, and its standard deviation, which is never 0."""
    variance, mean = torch.var_mean(values, dim=2, keepdim=True)
    return mean, (variance + EPSILON).sqrt()


class MaskedAutoencoder(Reconstructor):
    """
    A transformer that encodes visible patches, and a smaller one that decodes all of them.

    Where there is one image and several rows of ``keep``, each row is one way to look at this
    image.

    :param config: its parts.
    """

    usual_share = USUAL_SHARE

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config, self.norm_pix = config, config.norm_pix
        self.backbone = BACKBONES[config.backbone]()
        self.patch = self.encoder.patch
        self.decoder = TokenDecoder(config.decoder, self.encoder.width, self.encoder.span,
                                    3 * self.patch ** 2)

    @property
    def encoder(self) -> VisionTransformer:
        """Return the transformer that the backbone is."""
        return self.backbone.stages[0]

    def forward(self, images: Tensor, keep: Tensor) -> Tensor:
        """Reconstruct all patches from some; see :meth:`Reconstructor.forward`."""
        grid = tuple(side // self.encoder.patch for side in images.shape[2:])
        tokens = torch.take_along_dim(self.encoder.embed(images), keep[..., None], dim=1)
        return self.decoder(self.encoder.encode(tokens), keep, grid)

    def share(self, generator: torch.Generator) -> float:
        """Draw which share of the patches a batch hides; see :func:`hidden_share`."""
        return hidden_share(generator)

    def public_state(self) -> dict[str, Tensor]:
        """Return the encoder and the decoder, by the names of public checkpoints."""
        return public_state(self.backbone) | public_state(self.decoder)


def patches(images: Tensor, size: int) -> Tensor:
    """
    Cut images into patches.

    :param images: (B, C, H, W); H and W multiples of ``size``.
    :param size: side of a patch in pixels.
    :return: (B, N, size * size * C), row by row; in a patch by row, column and colour.
    """
    cells = images.unflatten(3, (-1, size)).unflatten(2, (-1, size))  # B, C, rows, y, columns, x
    return cells.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def join_patches(values: Tensor, grid: tuple[int, int], size: int) -> Tensor:
    """
    Join patches to images, the reverse of :func:`patches`.

    :param values: (B, N, size * size * C).
    :param grid: rows and columns of patches.
    :param size: side of a patch in pixels.
    :return: (B, C, H, W).
    """
    cells = values.unflatten(2, (size, size, -1)).unflatten(1, grid)  # B, rows, columns, y, x, C
    return cells.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


def hidden_share(generator: torch.Generator) -> float:
    """Draw which share of the patches a batch hides: mostly the usual one, at times any."""
    chance, place = torch.rand(2, generator=generator).tolist()
    if chance < USUALLY:
        return USUAL_SHARE
    return LEAST_SHARE + (LARGEST_SHARE - LEAST_SHARE) * place


def visible_patches(batch: int, count: int, hidden: float, generator: torch.Generator) -> Tensor:
    """
    Draw visible patches, others for each image.

    :param batch: number of images.
    :param count: of patches of an image, 2 at least.
    :param hidden: share of them that is hidden. One is visible at least, and one hidden.
    :param generator: of random numbers, on the CPU.
    :return: (batch, V) int64, the first places of a random permutation.
    """
    assert count >= 2, count
    visible = min(max(int(count * (1 - hidden)), 1), count - 1)
    return torch.rand(batch, count, generator=generator).argsort(dim=1)[:, :visible]
