# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Maps of yes, no and unknown, as targets of logits.

S. Xie, Z. Tu, "Holistically-Nested Edge Detection", ICCV 2015, has the balance of both.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mcn_ros.structures import IGNORE
from mcn_ros.tasks.dense import DenseMaps
from mcn_ros.tasks.task import Task

Weight = Tensor | float


def known_pixels(values: Tensor) -> Tensor:
    """
    Return how many pixels are known for any class, a scalar float.

    :param values: (B, C, H, W) uint8: 0 no, 1 yes, 255 unknown.
    """
    return (values != IGNORE).any(dim=1).sum().float()


def balance(values: Tensor) -> Tensor:
    """
    Return the share of the pixels of each image that have no class, (B, 1, 1, 1).

    As a weight of the others, it makes both count the same.

    :param values: as of :func:`known_pixels`; pixels that are not known for any class are left
        out.
    """
    known = (values != IGNORE).any(dim=1).sum(dim=(1, 2))
    yes = (values == 1).any(dim=1).sum(dim=(1, 2))
    return ((known - yes) / known.clamp(min=1))[:, None, None, None]


def cross_entropy(logits: Tensor, values: Tensor, positive: Weight = 1.0, negative: Weight = 1.0,
                  ) -> Tensor:
    """
    Return the cross-entropy of logits, summed over the pixels and classes that are known.

    :param logits: (B, C, H, W).
    :param values: as of :func:`known_pixels`.
    :param positive: weight of the pixels that are.
    :param negative: weight of those that are not.
    """
    logits = logits.float()
    losses = torch.where(values == 1, positive * functional.softplus(-logits),
                         negative * functional.softplus(logits))
    return torch.where(values == IGNORE, 0, losses).sum()


def divergence(logits: Tensor, theirs: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence from other logits (B, C, H, W), per pixel."""
    target = theirs.float().sigmoid()
    total, least = (functional.binary_cross_entropy_with_logits(
        values.float(), target, reduction='none') for values in (logits, theirs))
    return (total - least).sum(dim=1).mean()


def cells(values: np.ndarray, step: int) -> np.ndarray:
    """
    Return lines in cells: a cell is 1 if any of its pixels is, else 255 if any is unknown.

    :param values: (C, H, W) uint8: 0 no, 1 yes, 255 unknown.
    :param step: pixels of a side of a cell.
    """
    classes, height, width = values.shape
    # With the other sign, modulo 256, a line is 255, unknown is 1 and 0 is 0.
    rows = np.negative(values).reshape(classes, height // step, step, width).max(axis=2)
    columns = [rows[..., start::step] for start in range(step)]
    return np.negative(np.maximum.reduce(columns))


class BinaryMaps(DenseMaps):
    """What tasks have in common whose logits say yes or no: one plane, or one for each class."""

    def counts(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return how many pixels the loss is the mean of."""
        return {'cross_entropy': known_pixels(targets['values'])}

    def same_maps(self, other: Task) -> bool:
        """Return whether another task's maps mean the same, but perhaps for its classes."""
        return type(self) is type(other) and self.full_resolution == other.full_resolution

    def distance(self, outputs: dict[str, Tensor], theirs: dict[str, Tensor]) -> Tensor:
        """Return the divergence from what another network says, per pixel."""
        return divergence(outputs['logits'], theirs['logits'])

    def mirror(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the logits of the mirror image."""
        return {'logits': outputs['logits'].flip(3)}
