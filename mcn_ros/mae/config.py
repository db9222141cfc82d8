# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The settings of a training without labels."""

from dataclasses import dataclass, field
from typing import Literal

from mcn_ros.mae.convolutional import CONVOLUTIONAL, ConvolutionalConfig, SimMim, Spark
from mcn_ros.mae.model import AutoencoderConfig, MaskedAutoencoder, Reconstructor
from mcn_ros.network.backbones import TRANSFORMERS

Method = Literal['mae', 'spark', 'simmim']
METHODS: dict[Method, tuple[type, type[Reconstructor]]] = {
    'mae': (AutoencoderConfig, MaskedAutoencoder),
    'spark': (ConvolutionalConfig, Spark),
    'simmim': (ConvolutionalConfig, SimMim),
}


@dataclass(frozen=True)
class PretrainConfig:
    """
    Everything that makes a training without labels.

    :param images: folders of images, and bags; 10,000 images and more are worth it.
    :param run: folder of the results, from which a training that was interrupted goes on.
    :param model: the backbone, and how it learns by the method.
    :param method: 'mae' for transformers; for convolutional backbones 'spark', or 'simmim' to
        compare it with.
    :param topics: image topics of the bags, each of which has some of them; may be left out for
        bags that have only one.
    :param side: of the images that it sees, in pixels; a multiple of the patch.
    :param batch: images per step.
    :param steps: number of batches.
    :param learning_rate: the highest one; it rises for ``warmup_steps`` and falls to 0.
    :param warmup_steps: see there.
    :param weight_decay: of all weights but biases, norms and tokens.
    :param least_crop: share of an image's area that a part of it has at least.
    :param save_every: batches between checkpoints, with a picture each.
    :param workers: threads that read images.
    :param seed: of weights, parts and masks.
    :param device: 'auto', 'cpu', 'cuda' or 'cuda:N'.
    :raises ValueError: for values that make no sense.
    """

    images: tuple[str, ...]
    run: str
    model: AutoencoderConfig | ConvolutionalConfig = field(default_factory=AutoencoderConfig)
    method: Method = 'mae'
    topics: tuple[str, ...] = ()
    side: int = 256
    batch: int = 64
    steps: int = 50_000
    learning_rate: float = 1e-3
    warmup_steps: int = 2_500
    weight_decay: float = 0.05
    least_crop: float = 0.2
    save_every: int = 500
    workers: int = 2
    seed: int = 0
    device: str = 'auto'

    def __post_init__(self) -> None:
        for name in ('side', 'batch', 'steps', 'learning_rate', 'save_every', 'workers'):
            if getattr(self, name) <= 0:
                raise ValueError(f'{name}: {getattr(self, name)} is not positive')
        for name in ('warmup_steps', 'weight_decay', 'seed'):
            if getattr(self, name) < 0:
                raise ValueError(f'{name}: {getattr(self, name)} is negative')
        if not 0 < self.least_crop <= 1:
            raise ValueError(f'least_crop: {self.least_crop} is not in 0..1, without 0')
        if not self.images:
            raise ValueError('images: no folder')
        kind, _ = METHODS[self.method]
        if not isinstance(self.model, kind):
            names = TRANSFORMERS if kind is AutoencoderConfig else CONVOLUTIONAL
            raise ValueError(f'model.backbone: {self.model.backbone!r} is not one of '
                             f'{", ".join(names)}, which method {self.method} is for')
        if kind is ConvolutionalConfig and self.batch < 2:
            raise ValueError(f'batch: {self.batch}: batch norms need 2 images')

    def build(self) -> Reconstructor:
        """Return the network, with weights that the random numbers of PyTorch decide."""
        return METHODS[self.method][1](self.model)
