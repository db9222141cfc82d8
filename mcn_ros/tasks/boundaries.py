# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Boundaries: where one thing ends, whatever it is.

I. Kokkinos, "UberNet", CVPR 2017; S. Xie, Z. Tu, "Holistically-Nested Edge Detection", ICCV 2015.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from torch import Tensor

from mcn_ros.geometry import Grid
from mcn_ros.network.features import FEATURES
from mcn_ros.network.heads import HeadConfig
from mcn_ros.structures import LineMap, RegionMap
from mcn_ros.tasks.binary import cells
from mcn_ros.tasks.contours import ContourMaps, Criterion, encode_contours, vote
from mcn_ros.tasks.task import Task


@dataclass(frozen=True)
class BoundariesTask(ContourMaps, Task):
    """
    How likely every pixel is on a contour.

    What is annotated are regions; contours are taken of them once they have been warped. Of
    several annotators, half have to agree; what fewer say is neither learned nor unlearned.

    :param full_resolution: logits at input size rather than at stride 4.
    :param criterion: ``fixed`` weighs contours and the rest by ``positive_weight``; ``balanced``
        makes both count the same in every image (HED), so that false alarms in an image without
        contours cost nothing; ``instances`` asks for one pixel of a bag around each of a contour,
        so that these may be annotated two pixels off.
    :param positive_weight: of contours, that of the rest is what is left of 1; not for
        ``balanced``.
    :param head: width and layout of the head.
    :param reads: name of the map that the head reads, of a trunk with several.
    :param side_weight: of the loss of each scale beside that of their sum, see
        :class:`mcn_ros.tasks.dense.DenseMaps`.
    :param threshold: probability from which on a ridge is shown as a line; best the one of ODS on
        a validation set. Neither learning nor scores use it.
    """

    annotation: ClassVar[type] = RegionMap
    prediction: ClassVar[type] = LineMap
    figure: ClassVar[str] = 'ODS'
    scorer: ClassVar[str] = 'contours'
    teachable: ClassVar[bool] = True

    full_resolution: bool = False
    criterion: Criterion = 'fixed'
    positive_weight: float = 0.95
    head: HeadConfig = field(default_factory=HeadConfig)
    reads: str = FEATURES
    side_weight: float = 1.0
    threshold: float = 0.5

    def __post_init__(self):
        self.check('boundaries')
        if not 0 <= self.threshold <= 1:
            raise ValueError(f'boundaries.threshold: {self.threshold} is not in 0..1')

    def encode(self, annotation: RegionMap, grid: Grid) -> dict[str, Tensor]:
        """Build the targets of one image, see :func:`encode_contours`, of what most agree on."""
        assert annotation.stride == 1, annotation.stride
        each = np.stack([one.contours().values for one in annotation.annotators])
        return encode_contours(vote(cells(each, self.stride))[None], self.criterion)

    def decode(self, outputs: dict[str, Tensor]) -> LineMap:
        """Return the probabilities, (B, H, W) at stride 4 or at input size, as wide as found."""
        return LineMap(outputs['logits'][:, 0].float().sigmoid(), self.stride)
