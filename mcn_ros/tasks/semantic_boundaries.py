# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Semantic boundaries: where things of each class end.

B. Hariharan et al., "Semantic Contours from Inverse Detectors", ICCV 2011; several classes at a
pixel, and their weight, are from Z. Yu et al., "CASENet", CVPR 2017.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from mcn_ros.geometry import Grid
from mcn_ros.network.features import FEATURES
from mcn_ros.network.heads import HeadConfig
from mcn_ros.structures import ClassPlanes, RegionMap
from mcn_ros.tasks.binary import cells
from mcn_ros.tasks.contours import ContourMaps, Criterion, encode_contours
from mcn_ros.tasks.task import Task
from mcn_ros.vocabulary import check_classes, COCO_CLASSES


@dataclass(frozen=True)
class SemanticBoundariesTask(ContourMaps, Task):
    """
    How likely every pixel is on a contour of each class: it belongs to the things on both sides.

    :param classes: class names.
    :param full_resolution: logits at input size rather than at stride 4.
    :param criterion: ``balanced`` makes the pixels on contours and the others count the same in
        every image, with one weight for all of its classes: false alarms of a class that is not
        in the image cost something. ``fixed`` and ``instances`` are as those of boundaries.
    :param positive_weight: of contours, that of the rest is what is left of 1; not for
        ``balanced``.
    :param head: width and layout of the head.
    :param reads: name of the map that the head reads, of a trunk with several.
    :param side_weight: of the loss of each scale beside that of their sum, see
        :class:`mcn_ros.tasks.dense.DenseMaps`.
    """

    annotation: ClassVar[type] = RegionMap
    prediction: ClassVar[type] = ClassPlanes
    figure: ClassVar[str] = 'mMF'
    scorer: ClassVar[str] = 'class_contours'
    class_map: ClassVar[tuple[str, int] | None] = 'logits', 0
    teachable: ClassVar[bool] = True

    classes: tuple[str, ...] = COCO_CLASSES
    full_resolution: bool = False
    criterion: Criterion = 'balanced'
    positive_weight: float = 0.95
    head: HeadConfig = field(default_factory=HeadConfig)
    reads: str = FEATURES
    side_weight: float = 1.0

    def __post_init__(self):
        check_classes(self.classes, 'semantic_boundaries.classes')
        self.check('semantic_boundaries')

    def encode(self, annotation: RegionMap, grid: Grid) -> dict[str, Tensor]:
        """Build the targets of one image, see :func:`encode_contours`."""
        assert annotation.stride == 1, annotation.stride
        planes = annotation.class_contours(len(self.classes)).planes
        return encode_contours(cells(planes, self.stride), self.criterion)

    def decode(self, outputs: dict[str, Tensor]) -> ClassPlanes:
        """Return the probabilities, (B, C, H, W) at stride 4 or at input size."""
        return ClassPlanes(outputs['logits'].float().sigmoid(), stride=self.stride)
