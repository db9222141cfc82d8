# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Normals: the direction in which the surface at every pixel faces.

I. Kokkinos, "UberNet", CVPR 2017, section 4, whose loss is ``l1``.
"""

from dataclasses import dataclass, field
from typing import ClassVar, get_args, Literal

import numpy as np
import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.geometry import Grid
from mcn_ros.network.features import FEATURES, Shapes
from mcn_ros.network.heads import HeadConfig
from mcn_ros.structures import VectorMap
from mcn_ros.tasks.dense import DenseMaps
from mcn_ros.tasks.task import Task

Criterion = Literal['cosine', 'l1']

SMALLEST = 1e-6  # length of a vector that still has a direction


@dataclass(frozen=True)
class NormalsTask(DenseMaps, Task):
    """
    A unit vector for every pixel, in the optical frame of the camera.

    :param full_resolution: vectors at input size rather than at stride 4.
    :param criterion: ``cosine``, 1 less the cosine of the angle, or ``l1``, the mean difference of
        the components, which does not always grow with the angle.
    :param head: width and layout of the head.
    :param reads: name of the map that the head reads, of a trunk with several.
    :param side_weight: of the loss of each scale beside that of their sum, see
        :class:`mcn_ros.tasks.dense.DenseMaps`.
    """

    annotation: ClassVar[type] = VectorMap
    figure: ClassVar[str] = 'mean'
    teachable: ClassVar[bool] = True
    map_name: ClassVar[str] = 'vectors'

    full_resolution: bool = False
    criterion: Criterion = 'cosine'
    head: HeadConfig = field(default_factory=HeadConfig)
    reads: str = FEATURES
    side_weight: float = 1.0

    def __post_init__(self):
        if self.criterion not in get_args(Criterion):
            raise ValueError(f'normals.criterion: {self.criterion!r} is not one of '
                             f'{", ".join(get_args(Criterion))}')
        self.check_side_weight('normals')

    @property
    def losses(self) -> dict[str, float]:
        """Return the loss with a weight that suits it beside those of other dense tasks."""
        return {'direction': 10.0}

    def build_head(self, shapes: Shapes) -> nn.Module:
        """Return a module: features -> vectors (3 channels) of any length."""
        return self.dense_head(shapes, 3)

    def encode(self, annotation: VectorMap, grid: Grid) -> dict[str, Tensor]:
        """
        Build the targets of one image: no mean of several pixels, which may lie across an edge.

        :return: normals (3, H, W) float32 at stride 4 or at input size, 0 where unknown; known
            (H, W) bool.
        """
        assert annotation.stride == 1, annotation.stride
        step = self.stride
        vectors = annotation.vectors[step // 2::step, step // 2::step]
        known = ~np.isnan(vectors).any(axis=2)
        normals = np.where(known[..., None], vectors, np.float32(0)).transpose(2, 0, 1)
        return {'normals': torch.from_numpy(np.ascontiguousarray(normals)),
                'known': torch.from_numpy(known)}

    def map_loss(self, values: Tensor, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss per known pixel."""
        return self._difference(values, targets['normals'], targets['known'])

    def _difference(self, vectors: Tensor, normals: Tensor, known: Tensor) -> Tensor:
        """Return how far vectors (B, 3, H, W) are from unit vectors, mean of the known pixels."""
        units = _units(vectors)
        if self.criterion == 'l1':
            differences = (units - normals).abs().mean(dim=1)
        else:
            differences = 1 - (units * normals).sum(dim=1)
        return torch.where(known, differences, 0).sum() / known.sum().clamp(min=1)

    def counts(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return how many pixels the loss is the mean of."""
        return {'direction': targets['known'].sum().float()}

    def same_maps(self, other: Task) -> bool:
        """Return whether another task's maps mean the same."""
        return isinstance(other, NormalsTask) and self.full_resolution == other.full_resolution

    def distance(self, outputs: dict[str, Tensor], theirs: dict[str, Tensor]) -> Tensor:
        """Return the loss with what another network says in place of labels."""
        normals = _units(theirs['vectors'])
        return self._difference(outputs['vectors'], normals, normals.new_ones(1, dtype=torch.bool)
                                .expand(normals[:, 0].shape))

    def decode(self, outputs: dict[str, Tensor]) -> VectorMap:
        """Return (B, H, W, 3) unit vectors at stride 4 or at input size."""
        return VectorMap(_units(outputs['vectors']).permute(0, 2, 3, 1), self.stride)

    def mirror(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the vectors of the mirror image, where right is left."""
        vectors = outputs['vectors'].flip(3)
        return {'vectors': torch.cat([-vectors[:, :1], vectors[:, 1:]], dim=1)}

    def mean(self, outputs: dict[str, Tensor], others: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean of two views' directions, however long their vectors are."""
        return {name: (_units(values) + _units(others[name])) / 2
                for name, values in outputs.items()}


def _units(vectors: Tensor) -> Tensor:
    """Return unit vectors of vectors (B, 3, H, W)."""
    return functional.normalize(vectors.float(), dim=1, eps=SMALLEST)
