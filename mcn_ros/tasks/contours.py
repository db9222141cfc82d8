# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Contours as targets: one pixel wide, rare, and not always quite where they are annotated.

I. Kokkinos, "Pushing the Boundaries of Boundary Detection using Deep Learning", ICLR 2016, has the
bags of pixels of which one has to be on the contour.
"""

from typing import get_args, Literal

import numpy as np
import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.network.features import Shapes
from mcn_ros.structures import IGNORE, ridges
from mcn_ros.tasks.binary import balance, BinaryMaps, cross_entropy, known_pixels
from mcn_ros.tasks.heatmap import PRIOR_BIAS

Criterion = Literal['fixed', 'balanced', 'instances']

BINS = 8  # of directions across a contour, of 22.5 degrees
REACH = 2  # pixels from a pixel of a contour to the sides of the window that its bag is in
BAG = 15  # pixels of a bag: a rectangle of 3 x 5, the longer side across the contour


def encode_contours(values: np.ndarray, criterion: str) -> dict[str, Tensor]:
    """
    Build the targets of one image.

    :param values: (C, h, w) uint8: 0 no, 1 yes, 255 unknown.
    :return: these values; for bags also across (h, w) uint8, the direction
        across the contours in steps of 22.5 degrees, from right to down.
    """
    targets = {'values': torch.from_numpy(values)}
    if criterion == 'instances':
        angles = ridges.across((values == 1).any(axis=0).astype(np.float32))
        bins = np.rint(angles * (BINS / np.pi)).astype(np.uint8) % BINS
        targets['across'] = torch.from_numpy(bins)
    return targets


def vote(values: np.ndarray) -> np.ndarray:
    """
    Return what annotators agree on: yes for half of those who know, no for all of them.

    :param values: (A, h, w) uint8, of each annotator: 0 no, 1 yes, 255 unknown.
    :return: (h, w) uint8, 255 also where fewer than half say yes.
    """
    yes, known = (values == 1).sum(axis=0), (values != IGNORE).sum(axis=0)
    return np.select([yes > 0, known > 0], [np.where(2 * yes >= known, 1, IGNORE), 0],
                     IGNORE).astype(np.uint8)


def contour_loss(logits: Tensor, targets: dict[str, Tensor], criterion: str,
                 positive_weight: float) -> Tensor:
    """
    Return the loss of logits (B, C, h, w), per known pixel.

    :param targets: what :func:`encode_contours` returns, stacked.
    """
    values = targets['values']
    if criterion == 'instances':
        total = bag_loss(logits, values, targets['across'], positive_weight, 1 - positive_weight)
    else:
        weight = balance(values) if criterion == 'balanced' else positive_weight
        total = cross_entropy(logits, values, weight, 1 - weight)
    return total / known_pixels(values).clamp(min=1)


def bag_loss(logits: Tensor, values: Tensor, across: Tensor, positive: float, negative: float,
             ) -> Tensor:
    """
    Return the loss of the most likely pixel of every bag, and of all pixels that are in none.

    :param logits: (B, C, H, W).
    :param values: (B, C, H, W) uint8: 0 no, 1 yes, 255 unknown.
    :param across: (B, H, W) uint8, see :func:`encode_contours`.
    """
    logits = logits.float()
    height, width = logits.shape[2:]
    image, plane, row, column = torch.nonzero(values == 1, as_tuple=True)
    table = _bags().to(logits.device)[across[image, row, column].long()]
    rows, columns = row[:, None] + table[..., 1], column[:, None] + table[..., 0]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    index = (image[:, None].expand_as(rows), plane[:, None].expand_as(rows),
             rows.clamp(0, height - 1), columns.clamp(0, width - 1))
    bags = logits[index].masked_fill(~inside, -torch.inf)
    # Not amax: of equal pixels, one alone is taught.
    found = positive * functional.softplus(-bags.max(dim=1).values).sum()
    rest = values.clone()
    rest[tuple(axis[inside] for axis in index)] = 1
    return found + cross_entropy(logits, rest, 0.0, negative)


def _bags() -> Tensor:
    """Return the offsets, (8, 15, 2) int64 xy, of the pixels of a bag by the direction across."""
    side = np.arange(-REACH, REACH + 1)
    offsets = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    found = []
    for angle in np.arange(BINS) * (np.pi / BINS):
        along = offsets @ [-np.sin(angle), np.cos(angle)]
        ahead = offsets @ [np.cos(angle), np.sin(angle)]
        # Those nearest to the line across; of equally near ones, the nearer to its middle.
        nearest = np.lexsort((np.abs(ahead).round(6), np.abs(along).round(6)))
        found.append(offsets[nearest[:BAG]])
    return torch.from_numpy(np.stack(found))


class ContourMaps(BinaryMaps):
    """What the tasks of contours have in common, whatever their classes."""

    classes: tuple[str, ...]
    criterion: Criterion
    positive_weight: float

    def check(self, name: str) -> None:
        """Raise ValueError, with the name of the task, for an unknown criterion or no weights."""
        if self.criterion not in get_args(Criterion):
            raise ValueError(f'{name}.criterion: {self.criterion!r} is not one of '
                             f'{", ".join(get_args(Criterion))}')
        if not 0 < self.positive_weight < 1:
            raise ValueError(f'{name}.positive_weight: {self.positive_weight} is not between 0 '
                             'and 1')
        self.check_side_weight(name)

    @property
    def losses(self) -> dict[str, float]:
        """Return the loss with a weight that suits it beside those of other dense tasks."""
        return {'cross_entropy': 50.0}

    def build_head(self, shapes: Shapes) -> nn.Module:
        """Return a module: features -> logits (a channel for each class, or one)."""
        return self.dense_head(shapes, len(self.classes) or 1, PRIOR_BIAS)

    def map_loss(self, values: Tensor, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss of all classes per known pixel."""
        return contour_loss(values, targets, self.criterion, self.positive_weight)
