# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Semantic segmentation: a softmax over classes and background for every cell or pixel.

Source: MCN (Heuer et al.), section 3; E. Shelhamer, J. Long, T. Darrell, "Fully Convolutional
Networks for Semantic Segmentation".
"""

from dataclasses import dataclass, field, replace
from typing import Callable, ClassVar, Literal, Mapping

import numpy as np
import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.geometry import Grid
from mcn_ros.network.features import DENSE, FEATURES, Shapes
from mcn_ros.network.heads import HeadConfig
from mcn_ros.network.pyramid_head import MergedPyramidHead
from mcn_ros.structures import ClassMap, IGNORE
from mcn_ros.tasks.dense import DenseMaps
from mcn_ros.tasks.labels_in_boxes import labels_in_boxes
from mcn_ros.tasks.task import Objects, Task
from mcn_ros.vocabulary import check_classes, COCO_CLASSES

LEVELS = 'pyramid'


@dataclass(frozen=True)
class SegmentationTask(DenseMaps, Task):
    """
    A class for every pixel.

    :param classes: class names; label 0 is background, label c + 1 is class c.
    :param full_resolution: logits at input size (the paper's accuracy setting) rather than at
        stride 4 (its speed setting).
    :param head: width and layout of the head.
    :param reads: 'features' or 'dense', maps of stride 4, or 'pyramid': all levels of one, each
        with a tower as that of a detector on it, whose weights it can begin with, and the first of
        these maps. Then the layout is ``shared``, and the width is that of the towers.
    :param boxes_from: name of a task whose boxes tell where classes are, too, see
        :mod:`mcn_ros.tasks.labels_in_boxes`; '' for none; without that task, the logits alone do.
    :param side_weight: of the loss of each scale beside that of their sum, see
        :class:`mcn_ros.tasks.dense.DenseMaps`.
    """

    annotation: ClassVar[type] = ClassMap
    figure: ClassVar[str] = 'mIoU'
    topics: ClassVar[Mapping[str, tuple[str, str]]] = {
        'segmentation': ('semantic', 'semantic/label_info')}
    class_map: ClassVar[tuple[str, int] | None] = 'logits', 1
    teachable: ClassVar[bool] = True

    classes: tuple[str, ...] = COCO_CLASSES
    full_resolution: bool = False
    head: HeadConfig = field(default_factory=HeadConfig)
    reads: Literal['features', 'dense', 'pyramid'] = FEATURES
    boxes_from: str = ''
    side_weight: float = 1.0

    def __post_init__(self):
        check_classes(self.classes, 'segmentation.classes')
        if len(self.classes) >= IGNORE:
            raise ValueError(
                f'segmentation.classes: {len(self.classes)} given, at most {IGNORE - 1} fit')
        if self.reads not in (FEATURES, DENSE, LEVELS):
            raise ValueError(f'segmentation.reads: {self.reads!r} is not one of {FEATURES}, '
                             f'{DENSE}, {LEVELS}')
        if self.reads == LEVELS and (self.head.layout != 'shared' or self.head.direct):
            raise ValueError(f'segmentation.head: on a {LEVELS} its layout is shared, and not '
                             'direct')
        self.check_side_weight('segmentation')

    @property
    def losses(self) -> dict[str, float]:
        """Return the loss with its weight in MCN."""
        return {'cross_entropy': 5.0}

    def build_head(self, shapes: Shapes) -> nn.Module:
        """Return a module: features -> logits (C + 1 channels)."""
        channels = len(self.classes) + 1
        if self.reads == LEVELS:
            return self.enlarged(MergedPyramidHead(shapes, {'logits': channels}, self.head.width))
        return self.dense_head(shapes, channels)

    def encode(self, annotation: ClassMap, grid: Grid) -> dict[str, Tensor]:
        """
        Build the targets of one image.

        :param annotation: labels in input pixels, one per pixel.
        :return: labels (H, W) uint8 at stride 4 or at input size, 255 where unknown; other
            (C + 1,) bool: what label 0 may stand for (background and every unlabelled class).
        """
        assert annotation.stride == 1, annotation.stride
        step = 1 if self.full_resolution else grid.stride
        labels = annotation.labels[step // 2::step, step // 2::step]
        other = np.zeros(len(self.classes) + 1, bool)
        other[0] = True
        if annotation.labelled_classes is not None:
            other[1:] = ~annotation.labelled_classes
        return {'labels': torch.from_numpy(np.ascontiguousarray(labels)),
                'other': torch.from_numpy(other)}

    def map_loss(self, values: Tensor, targets: dict[str, Tensor]) -> Tensor:
        """
        Return the mean cross-entropy over the known pixels (L_seg of MCN).

        Label 0 has the summed probability of background and all unlabelled classes: an image that
        is labelled for people only pushes nothing between "car" and "background".
        """
        log_probability = functional.log_softmax(values.float(), dim=1)
        other = targets['other'][:, :, None, None]
        rest = log_probability.masked_fill(~other, -torch.inf).logsumexp(dim=1)
        labels = targets['labels'].long()
        known = labels != IGNORE
        own = log_probability.gather(1, (labels * known)[:, None]).squeeze(1)
        likelihood = torch.where(labels == 0, rest, own)
        total = torch.where(known, likelihood, 0).sum()
        return -total / known.sum().clamp(min=1)

    def counts(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return how many pixels the loss is the mean of."""
        return {'cross_entropy': (targets['labels'] != IGNORE).sum().float()}

    def same_maps(self, other: Task) -> bool:
        """Return whether another task's maps mean the same, but perhaps for its classes."""
        return (isinstance(other, SegmentationTask)
                and self.full_resolution == other.full_resolution)

    def distance(self, outputs: dict[str, Tensor], theirs: dict[str, Tensor]) -> Tensor:
        """
        Return the divergence (Kullback-Leibler) from what another network says, per pixel.

        Source: Hinton et al., "Distilling the Knowledge in a Neural Network", with temperature 1.

        :param theirs: maps of the other network, of the same shapes.
        """
        mine, target = (functional.log_softmax(maps['logits'].float(), dim=1)
                        for maps in (outputs, theirs))
        return functional.kl_div(mine, target, reduction='none', log_target=True).sum(1).mean()

    def decode(self, outputs: dict[str, Tensor]) -> ClassMap:
        """Return (B, H, W) labels of the most likely class, at stride 4 or at input size."""
        logits = outputs['logits']
        # Flat: compilers are slow at it where channels are innermost.
        labels = logits.flatten(2).argmax(dim=1).unflatten(1, logits.shape[2:]).to(torch.uint8)
        return ClassMap(labels, stride=self.stride)

    def refine(self, prediction: ClassMap, outputs: dict[str, Tensor],
               objects: Callable[[str], Objects | None]) -> ClassMap:
        """Look at the boxes of another task, too."""
        others = objects(self.boxes_from)
        if others is None:
            return prediction
        labels = labels_in_boxes(outputs['logits'], others, self.classes, self.stride)
        return replace(prediction, labels=labels.to(torch.uint8))

    def mirror(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the logits of the mirror image."""
        return {'logits': outputs['logits'].flip(3)}
