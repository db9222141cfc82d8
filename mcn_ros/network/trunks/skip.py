# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
All stages of one backbone, on an image at several sizes: what heads add up.

Source: I. Kokkinos, "UberNet", CVPR 2017, figure 2.
"""

from dataclasses import dataclass, field
import math
from typing import Literal, Mapping, Sequence

from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.geometry import STRIDE
from mcn_ros.network.backbones import Backbone, BACKBONES
from mcn_ros.network.backbones.atrous import densify
from mcn_ros.network.colours import Colours
from mcn_ros.network.features import MapShape, stage_of
from mcn_ros.network.trunks.shared import SharedTrunk


@dataclass(frozen=True)
class SkipTrunkConfig:
    """
    One backbone, whose weights are the same for images of all sizes.

    :param backbone: a key of ``BACKBONES``, with a stage of stride 4; finer ones are not read.
    :param scales: factors by which the sides of the image are divided, from 1, rising.
    :param output_stride: that no stage is to be coarser than, see :func:`densify`; None: as it is.
    :raises ValueError: for an unknown backbone, and for scales that are no such factors.
    """

    backbone: str = 'resnet18'
    scales: tuple[int, ...] = (1, 2, 4)
    output_stride: int | None = None
    kind: Literal['skip'] = field(default='skip', kw_only=True)

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f'backbone: {self.backbone!r} is not one of {", ".join(BACKBONES)}')
        if self.scales[:1] != (1,) or list(self.scales) != sorted({*self.scales}):
            raise ValueError(f'scales: {self.scales} do not rise from 1')

    def build(self, tasks: Sequence[str], colours: Colours) -> 'SkipTrunk':
        """Build the trunk, which is the same for any tasks."""
        return SkipTrunk(self, colours)

    def parts(self) -> tuple[Backbone, 'StageNorms']:
        """
        Build the backbone, and what its stages go through.

        :raises ValueError: for a backbone without a stage of stride 4, or that cannot be as fine
            as is asked for.
        """
        backbone = BACKBONES[self.backbone]()
        if STRIDE not in backbone.strides:
            raise ValueError(f'backbone: {self.backbone} has no stage of stride {STRIDE}')
        try:
            if self.output_stride is not None:
                densify(backbone, self.output_stride)
        except ValueError as error:
            raise ValueError(f'{error} ({self.backbone})') from error
        return backbone, StageNorms(backbone)

    def of_tasks(self, tasks: Sequence[str]) -> 'SkipTrunkConfig':
        """Return the same: all of it is needed by any task."""
        return self


class StageNorms(nn.ModuleDict):
    """
    A batch norm for each stage from stride 4 on, by its number from 1.

    :param backbone: that has the stages.
    :ivar shapes: number of a stage -> shape of its map.
    """

    def __init__(self, backbone: Backbone) -> None:
        stages = enumerate(map(MapShape, backbone.channels, backbone.strides), 1)
        shapes = {number: shape for number, shape in stages if shape.stride >= STRIDE}
        super().__init__({str(number): nn.BatchNorm2d(shape.channels)
                          for number, shape in shapes.items()})
        self.shapes = shapes

    def forward(self, stages: Sequence[Tensor]) -> dict[int, Tensor]:
        """Return number -> map (B, channels, H, W), normalised."""
        return {number: self[str(number)](stages[number - 1]) for number in self.shapes}


class SkipTrunk(SharedTrunk):
    """
    The maps of all stages for each scale; every task gets the same features.

    There is one set of weights and of running statistics; in training each scale is normalised by
    its own batch.
    """

    def shapes(self, task: str) -> Mapping[str, MapShape]:
        """Return the names and shapes of the features: each stage of each scale."""
        return {stage_of(number, scale): MapShape(shape.channels, shape.stride * scale)
                for scale in self.config.scales for number, shape in self.neck.shapes.items()}

    def forward(self, images: Tensor, tasks: Sequence[str], checkpoint: bool = False,
                ) -> dict[str, dict[str, Tensor]]:
        """
        Compute the features; see :class:`mcn_ros.network.trunks.Trunk`.

        :param images: (B, 3, H, W) float, normalised; at each scale H and W are multiples of the
            coarsest stride.
        :raises ValueError: for images of another size.
        """
        images, features = self.prepare(images), {}
        for scale in self.config.scales:
            smaller = functional.avg_pool2d(images, scale) if scale > 1 else images
            maps = self.join(self.backbone(smaller, checkpoint), checkpoint)
            features |= {stage_of(number, scale): values for number, values in maps.items()}
        return dict.fromkeys(tasks, features)

    def prepare(self, images: Tensor) -> Tensor:
        """Return the images; ValueError for a size that a scale cannot be of."""
        height, width = images.shape[-2:]
        factor = math.lcm(*self.config.scales)
        multiple = self.backbone.strides[-1] * factor
        if height % multiple or width % multiple:
            raise ValueError(f'images of {height}x{width}: not multiples of {multiple}, as the '
                             f'scales need ({self.backbone.strides[-1]} times {factor})')
        return images
