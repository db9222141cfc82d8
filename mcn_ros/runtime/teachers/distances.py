# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Boxes as distributions of the distances of their sides from a cell.

Source: X. Li et al., "Generalized Focal Loss", NeurIPS 2020; NanoDet-Plus and PicoDet have it.
"""

import numpy as np
import torch
from torchvision.ops import batched_nms

from mcn_ros.geometry import Size
from mcn_ros.structures import Instances

# Input pixels per cell of the four levels.
STRIDES = (8, 16, 32, 64)
# Values that a distance is a distribution over: 0 to 7 cells.
BINS = 8
SIDES = 4

# IoU with a better box of the same class above which a box is a duplicate.
OVERLAP = 0.6
# Of so many candidates of an image, duplicates are looked for; the rest is noise.
MOST = 2000


def cell_points(size: Size, middle: float) -> np.ndarray:
    """
    Return the point of every cell of all levels, in the order of the outputs.

    :param size: (height, width) of the input.
    :param middle: where in its cell the point is: 0 for the corner, 0.5 for the middle.
    :return: (N, 3) float32: x, y and stride, in input pixels.
    """
    levels = []
    for stride in STRIDES:
        rows, columns = np.indices([-(-side // stride) for side in size]).reshape(2, -1)
        levels.append(np.stack([(columns + middle) * stride, (rows + middle) * stride,
                                np.full(len(rows), stride)], axis=1))
    return np.concatenate(levels).astype(np.float32)


def decode(logits: np.ndarray, points: np.ndarray) -> np.ndarray:
    """
    Return boxes, (N, 4) float32 xyxy in input pixels.

    :param logits: (N, 4 x 8) float32: left, top, right and bottom, in cells.
    :param points: (N, 3) as :func:`cell_points` gives them.
    """
    logits = logits.reshape(-1, SIDES, BINS)
    likely = np.exp(logits - logits.max(axis=2, keepdims=True))
    likely /= likely.sum(axis=2, keepdims=True)
    distances = (likely @ np.arange(BINS, dtype=np.float32)) * points[:, 2:]
    return np.hstack([points[:, :2] - distances[:, :2], points[:, :2] + distances[:, 2:]])


def find(scores: np.ndarray, logits: np.ndarray, points: np.ndarray, floor: float) -> Instances:
    """
    Return the objects of an image, best first; every class of a cell counts.

    :param scores: (N, C) float32 in 0..1.
    :param logits: (N, 32), see :func:`decode`.
    :param points: (N, 3), see :func:`cell_points`.
    :param floor: boxes of a lower score are dropped.
    """
    rows, classes = np.nonzero(scores >= floor)
    found = scores[rows, classes]
    best = np.argsort(-found, kind='stable')[:MOST]
    rows, classes, found = rows[best], classes[best], found[best]
    boxes = decode(logits[rows], points[rows])
    keep = batched_nms(*map(torch.from_numpy, (boxes, found, classes)), OVERLAP).numpy()
    return Instances(boxes[keep], classes[keep], found[keep])
