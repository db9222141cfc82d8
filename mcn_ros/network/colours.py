# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How weights are used to be shown colours."""

from dataclasses import dataclass
import math
from typing import Literal

ChannelOrder = Literal['rgb', 'bgr']
Triple = tuple[float, float, float]  # of the three channels


@dataclass(frozen=True)
class Colours:
    """
    The images that weights are for: (value - mean) / std of values in 0..1.

    :param channel_order: of the channels that the first layer has weights for.
    :param mean: per channel, in ``channel_order``.
    :param std: per channel, in ``channel_order``.
    :raises ValueError: for numbers that are not finite, and deviations that are not positive.
    """

    channel_order: ChannelOrder = 'rgb'
    mean: Triple = (0.485, 0.456, 0.406)
    std: Triple = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if not all(0 < value < math.inf for value in self.std):
            raise ValueError(f'std: {self.std} are not all positive')
        if not all(math.isfinite(value) for value in self.mean):
            raise ValueError(f'mean: {self.mean} are not all finite')

    def ordered(self, channel_order: ChannelOrder) -> 'Colours':
        """Return the same normalisation of each colour, in another order of them."""
        step = 1 if channel_order == self.channel_order else -1
        return Colours(channel_order, self.mean[::step], self.std[::step])
