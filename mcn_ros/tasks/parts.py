# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Parts: which part of a person every pixel shows.

I. Kokkinos, "UberNet", CVPR 2017; X. Chen et al., "Detect What You Can", CVPR 2014, whose 24 parts
are in these six: hair, face and ears are of the head, the neck of the torso, hands of lower arms,
and feet of lower legs.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mcn_ros.geometry import Grid
from mcn_ros.structures import ClassMap, IGNORE
from mcn_ros.tasks.segmentation import SegmentationTask

PARTS = 'head', 'torso', 'upper arm', 'lower arm', 'upper leg', 'lower leg'


@dataclass(frozen=True)
class PartsTask(SegmentationTask):
    """
    Segmentation of people into parts; an image without any teaches nothing, nor is it scored.

    Left and right are not told apart, so a mirror image has the same labels.
    """

    scorer: ClassVar[str] = 'all_classes'

    classes: tuple[str, ...] = PARTS

    @property
    def losses(self) -> dict[str, float]:
        """Return the loss with a weight that suits it beside those of other dense tasks."""
        return {'cross_entropy': 2.0}

    def encode(self, annotation: ClassMap, grid: Grid) -> dict[str, Tensor]:
        """Build the targets of one image, see :meth:`SegmentationTask.encode`."""
        targets = super().encode(annotation, grid)
        labels = targets['labels']
        if not ((labels > 0) & (labels < IGNORE)).any():
            targets['labels'] = torch.full_like(labels, IGNORE)
        return targets
