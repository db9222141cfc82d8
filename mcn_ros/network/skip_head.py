# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Heads that add up what they see in all stages of a backbone, at all scales.

Source: I. Kokkinos, "UberNet", CVPR 2017, figure 2; S. Xie, Z. Tu, "Holistically-Nested Edge
Detection", ICCV 2015, has the same start and the supervision of the parts of the sum.
"""

import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.network.features import Features, MapShape, Shapes, skips, stage_of
from mcn_ros.network.pyramid_head import map_of

DEVIATION = 0.01  # of weights of scores, at first


class SkipHead(nn.Module):
    """
    A map of stride 4: a weighted sum over scales of weighted sums over stages of linear scores.

    In all its parameters, rows are channels of the map.

    :param shapes: of the features, see :func:`skips`.
    :param name: of the map.
    :param channels: of the map.
    :param bias: initial one of all scores, and so of the map.
    :raises ValueError: for features that are no maps of stages.
    """

    def __init__(self, shapes: Shapes, name: str, channels: int, bias: float = 0.0) -> None:
        super().__init__()
        stages = skips(shapes)
        if not stages:
            raise ValueError(f'no maps of stages (the trunk has {", ".join(shapes)})')
        self.name, self.scales = name, tuple(stages)
        finest: dict[int, MapShape] = stages[self.scales[0]]
        self.scores = nn.ModuleDict({str(number): nn.Conv2d(shape.channels, channels, 1)
                                     for number, shape in finest.items()})
        self.factors = {number: shape.stride // min(each.stride for each in finest.values())
                        for number, shape in finest.items()}
        for score in self.scores.values():
            nn.init.normal_(score.weight, std=DEVIATION)
            nn.init.constant_(score.bias, bias)
        self.stage_weights = nn.Parameter(torch.full((channels, len(finest)), 1 / len(finest)))
        self.scale_weights = nn.Parameter(torch.full((channels, len(stages)), 1 / len(stages)))

    def forward(self, features: Features) -> dict[str, Tensor]:
        """
        Compute the map.

        :param features: of the shapes that it was built for.
        :return: name -> (B, channels, H / 4, W / 4); in training also the sum of each scale, as
            'name_scale'.
        """
        scales = {scale: self._sum(features, scale) for scale in self.scales}
        outputs = {self.name: sum(_weighted(values, self.scale_weights[:, index])
                                  for index, values in enumerate(scales.values()))}
        if self.training:
            outputs |= {map_of(self.name, str(scale)): values for scale, values in scales.items()}
        return outputs

    def _sum(self, features: Features, scale: int) -> Tensor:
        """Return the sum over the stages of a scale, at the resolution of the whole."""
        scores = [_weighted(score(features[stage_of(int(number), scale)]),
                            self.stage_weights[:, index])
                  for index, (number, score) in enumerate(self.scores.items())]
        total = sum(_enlarge(values, factor)
                    for values, factor in zip(scores, self.factors.values()))
        return _enlarge(total, scale)


def _weighted(values: Tensor, weights: Tensor) -> Tensor:
    """Return a map times a number for each of its channels."""
    return values * weights[:, None, None]


def _enlarge(values: Tensor, factor: int) -> Tensor:
    if factor == 1:
        return values
    return functional.interpolate(values, scale_factor=float(factor), mode='bilinear',
                                  align_corners=False)
