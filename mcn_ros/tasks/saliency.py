# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Saliency: what stands out from an image.

I. Kokkinos, "UberNet", CVPR 2017, whose softmax over two classes is the same function of the
difference of two logits.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import nn, Tensor

from mcn_ros.geometry import Grid
from mcn_ros.network.features import FEATURES, Shapes
from mcn_ros.network.heads import HeadConfig
from mcn_ros.structures import ScalarMap
from mcn_ros.tasks.binary import balance, BinaryMaps, cross_entropy, known_pixels
from mcn_ros.tasks.task import Task


@dataclass(frozen=True)
class SaliencyTask(BinaryMaps, Task):
    """
    How much every pixel belongs to what stands out.

    :param full_resolution: logits at input size rather than at stride 4.
    :param balanced: whether what stands out counts as much as all that does not, in every image.
    :param head: width and layout of the head.
    :param reads: name of the map that the head reads, of a trunk with several.
    :param side_weight: of the loss of each scale beside that of their sum, see
        :class:`mcn_ros.tasks.dense.DenseMaps`.
    """

    annotation: ClassVar[type] = ScalarMap
    figure: ClassVar[str] = 'maxF'
    teachable: ClassVar[bool] = True

    full_resolution: bool = False
    balanced: bool = False
    head: HeadConfig = field(default_factory=HeadConfig)
    reads: str = FEATURES
    side_weight: float = 1.0

    def __post_init__(self):
        self.check_side_weight('saliency')

    @property
    def losses(self) -> dict[str, float]:
        """Return the loss with a weight that suits it beside those of other dense tasks."""
        return {'cross_entropy': 5.0}

    def build_head(self, shapes: Shapes) -> nn.Module:
        """Return a module: features -> logits (1 channel)."""
        return self.dense_head(shapes, 1)

    def encode(self, annotation: ScalarMap, grid: Grid) -> dict[str, Tensor]:
        """
        Build the targets of one image.

        :return: values (1, H, W) uint8 at stride 4 or at input size: 0 no, 1 yes, 255 unknown.
        """
        assert annotation.stride == 1, annotation.stride
        step = self.stride
        values = annotation.values[None, step // 2::step, step // 2::step]
        return {'values': torch.from_numpy(np.ascontiguousarray(values))}

    def map_loss(self, values: Tensor, targets: dict[str, Tensor]) -> Tensor:
        """Return the cross-entropy per known pixel."""
        truth = targets['values']
        positive, negative = 1.0, 1.0
        if self.balanced:
            positive = balance(truth)
            negative = 1 - positive
        total = cross_entropy(values, truth, positive, negative)
        return total / known_pixels(truth).clamp(min=1)

    def decode(self, outputs: dict[str, Tensor]) -> ScalarMap:
        """Return the probabilities, (B, H, W) at stride 4 or at input size."""
        return ScalarMap(outputs['logits'][:, 0].float().sigmoid(), self.stride)
