# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One trunk for all tasks, of a vision transformer and the decoder that it learned with."""

from dataclasses import dataclass, field
from typing import Literal, Sequence

from torch import nn

from mcn_ros.network.backbones import Backbone, BACKBONES, TRANSFORMERS
from mcn_ros.network.backbones.decoded import decoded, DecoderConfig
from mcn_ros.network.colours import Colours
from mcn_ros.network.necks import NECKS
from mcn_ros.network.trunks.shared import SharedTrunk


@dataclass(frozen=True)
class DecodedTrunkConfig:
    """
    A masked autoencoder whose last layer has become a neck.

    :param backbone: a transformer among ``BACKBONES``, the encoder.
    :param decoder: the shape of the decoder; that of the pre-training, to start from its weights.
    :param neck: a key of ``NECKS``, of those that need the last stage only.
    :param channels: number of channels of the features.
    :param hidden: share of the patches that are hidden in training, from 0 to below 1.
    :raises ValueError: for an unknown backbone or neck, and numbers that make no sense.
    """

    backbone: str = 'vit_tiny_p16'
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    neck: str = 'deconv'
    channels: int = 64
    hidden: float = 0.0
    kind: Literal['decoded'] = field(default='decoded', kw_only=True)

    def __post_init__(self) -> None:
        for name, known in (('backbone', TRANSFORMERS), ('neck', NECKS)):
            if getattr(self, name) not in known:
                raise ValueError(f'{name}: {getattr(self, name)!r} is not one of '
                                 f'{", ".join(known)}')
        if self.channels < 1:
            raise ValueError(f'channels: {self.channels} is not positive')
        if not 0 <= self.hidden < 1:
            raise ValueError(f'hidden: {self.hidden} is not in 0..1, without 1')

    def build(self, tasks: Sequence[str], colours: Colours) -> SharedTrunk:
        """Build the trunk, which is the same for any tasks."""
        return SharedTrunk(self, colours)

    def parts(self) -> tuple[Backbone, nn.Module]:
        """
        Build the encoder with the decoder, and a neck on what is decoded.

        :raises ValueError: if they do not fit together.
        """
        backbone = decoded(BACKBONES[self.backbone](), self.decoder, self.hidden)
        return backbone, NECKS[self.neck](backbone.channels, backbone.strides, self.channels,
                                          False)

    def of_tasks(self, tasks: Sequence[str]) -> 'DecodedTrunkConfig':
        """Return the same: all of it is needed by any task."""
        return self
