# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Maps that say something of every pixel, from one map of features or from those of all stages.

The supervision of what is added up is from S. Xie, Z. Tu, "Holistically-Nested Edge Detection",
ICCV 2015, and of scales from I. Kokkinos, "UberNet", CVPR 2017.
"""

from abc import abstractmethod
import math
from typing import ClassVar, Mapping

from torch import nn, Tensor

from mcn_ros.geometry import STRIDE
from mcn_ros.network.features import Shapes, skips
from mcn_ros.network.heads import Head, HeadConfig, UpsampledHead
from mcn_ros.network.skip_head import SkipHead


class DenseMaps:
    """
    What tasks have in common whose head has one map, and whose loss is one of it.

    :cvar map_name: of the map.
    :ivar full_resolution: whether it is at input size rather than at stride 4.
    :ivar reads: name of the map that the head reads, of features that have one; of a stride that
        the task's divides, as that of a stream that sees the image reduced.
    :ivar side_weight: of the losses of each scale beside that of their sum; see
        :class:`mcn_ros.network.skip_head.SkipHead`, no other head has such.
    :ivar head: width and layout of the head; in a :class:`SkipHead` there are none.
    """

    map_name: ClassVar[str] = 'logits'
    losses: Mapping[str, float]
    full_resolution: bool
    reads: str
    side_weight: float
    head: HeadConfig

    @property
    def stride(self) -> int:
        """Return the input pixels per value."""
        return 1 if self.full_resolution else STRIDE

    def check_side_weight(self, name: str) -> None:
        """Raise ValueError, with the name of the task, for a weight that is none."""
        if not 0 <= self.side_weight < math.inf:
            raise ValueError(f'{name}.side_weight: {self.side_weight} is not 0 or more')

    def dense_head(self, shapes: Shapes, channels: int, bias: float = 0.0) -> nn.Module:
        """
        Return a module: features -> the map, enlarged where these are coarser than it.

        :param shapes: with the map that is read, or with those of all stages.
        :param bias: that it begins with.
        :raises ValueError: for features without either, and for strides that do not divide.
        """
        name = self.map_name
        if skips(shapes):
            return self.enlarged(SkipHead(shapes, name, channels, bias))
        stride = shapes[self.reads].stride if self.reads in shapes else STRIDE
        return self.enlarged(Head(shapes, {name: channels}, self.head, {name: bias}, self.reads,
                                  stride), stride)

    def enlarged(self, head: nn.Module, stride: int = STRIDE) -> nn.Module:
        """Return a head whose map has the resolution of the task, from one of another stride."""
        if stride % self.stride:
            raise ValueError(f'features of stride {stride}, not a multiple of {self.stride}')
        factor = stride // self.stride
        return head if factor == 1 else UpsampledHead(head, factor)

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss of the map; where there are maps that it is the sum of, theirs, too."""
        name, = self.losses
        total = self.map_loss(outputs[self.map_name], targets)
        for part, values in outputs.items():
            if part != self.map_name and self.side_weight:
                total = total + self.side_weight * self.map_loss(values, targets)
        return {name: total}

    @abstractmethod
    def map_loss(self, values: Tensor, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss of a map (B, C, H, W), per known pixel."""
