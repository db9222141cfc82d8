# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Heatmaps whose peaks are points: drawing targets, the focal loss and finding peaks.

Source: X. Zhou, D. Wang, P. Kraehenbuehl, "Objects as Points", 2019, section 3; the Gaussian
radius is CornerNet's (H. Law, J. Deng, ECCV 2018).
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Target value of a cell that teaches nothing. Below every Gaussian, so drawing a peak over an
# ignored region by maximum makes the peak count.
UNKNOWN = -1.0

# A new heatmap answers 0.1 everywhere: sigmoid(-2.19), so that the many negatives do not swamp the
# first steps (focal loss, Lin et al. 2017, section 4.1).
PRIOR_BIAS = -2.19

# The logit of a cell that is no peak: its score is 0.
NO_PEAK = -1e4


def gaussian_radius(height: float, width: float, min_overlap: float = 0.7) -> int:
    """
    Return how far a corner pair may move while its box keeps an overlap with the true box.

    The three roots are CornerNet's as published in code, ``(b + sqrt(b^2 - 4ac)) / 2`` without the
    division by a: all CenterNet results were made with them.

    :param height: box height in grid cells.
    :param width: box width in grid cells.
    :param min_overlap: smallest intersection over union.
    :return: radius in whole grid cells, >= 0.
    """
    total, area = height + width, height * width
    quadratics = (
        (1, total, area * (1 - min_overlap) / (1 + min_overlap)),
        (4, 2 * total, (1 - min_overlap) * area),
        (4 * min_overlap, -2 * min_overlap * total, (min_overlap - 1) * area))
    radius = min((b + math.sqrt(b * b - 4 * a * c)) / 2 for a, b, c in quadratics)
    return max(0, int(radius))


def draw_peak(heatmap: np.ndarray, column: int, row: int, radius: int) -> None:
    """
    Draw a Gaussian with value 1 at a cell; overlapping peaks keep the larger value.

    :param heatmap: (H, W) float32, changed in place.
    :param column: cell of the peak, inside of the map.
    :param row: cell of the peak, inside of the map.
    :param radius: cells; sigma is a sixth of the diameter.
    """
    height, width = heatmap.shape
    sigma = (2 * radius + 1) / 6
    rows = np.arange(max(0, row - radius), min(height, row + radius + 1))
    columns = np.arange(max(0, column - radius), min(width, column + radius + 1))
    squares = (rows[:, None] - row) ** 2 + (columns[None] - column) ** 2
    region = heatmap[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    np.maximum(region, np.exp(-squares / (2 * sigma * sigma)), out=region)


def ignore_box(heatmap: np.ndarray, box: np.ndarray) -> None:
    """
    Mark the cells of a box as unknown; call before peaks are drawn.

    :param heatmap: (..., H, W) float32, changed in place.
    :param box: xyxy in grid cells.
    """
    left, top = np.maximum(np.floor(box[:2]), 0).astype(int)
    right, bottom = np.maximum(np.ceil(box[2:]), 0).astype(int)
    heatmap[..., top:bottom, left:right] = UNKNOWN


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """
    Penalty-reduced focal loss ("Objects as Points", equation 1; alpha 2, beta 4).

    Normalised by the number of peaks in the whole batch. Computed from logits in float32, so it
    needs no clamp of the probabilities.

    :param logits: (B, C, H, W).
    :param target: (B, C, H, W): 1 at peaks, Gaussian around them, UNKNOWN where nothing is known.
    :return: scalar; the undivided negative term when there is no peak.
    """
    known = (target >= 0).flatten(2).any(dim=2)
    if not known.all():  # most planes of a partially labelled batch are unknown: they cost nothing
        logits, target = logits[known], target[known]  # (planes, H, W)
    logits = logits.float()
    peaks = logits[target == 1]
    positive = functional.softplus(-peaks) * torch.sigmoid(-peaks) ** 2
    # The weight of an unknown cell is 0; that of a peak is (1 - 1)^4 = 0 by itself.
    weight = torch.where(target >= 0, 1 - target, 0) ** 4
    negative = functional.softplus(logits) * torch.sigmoid(logits) ** 2 * weight
    return (positive.sum() + negative.sum()) / max(1, len(peaks))


def count_peaks(target: Tensor) -> Tensor:
    """Return the number of peaks in heatmap targets, a scalar float32."""
    return (target == 1).sum().float()


def find_peaks(logits: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """
    Return the strongest local maxima (3x3) over all channels, best first.

    :param logits: (B, C, H, W).
    :param count: K, at most C * H * W.
    :return: scores (B, K) in 0..1, channels (B, K) int64, flat cells (B, K) int64 (row * W +
        column).
    """
    local = functional.max_pool2d(logits, 3, stride=1, padding=1)
    peaks = torch.where(logits == local, logits.float(), NO_PEAK)
    # The strongest of all are in the cells whose own strongest are: far fewer numbers to sort.
    cell_peaks = peaks.amax(dim=1).flatten(1)
    cells = cell_peaks.topk(min(count, cell_peaks.shape[1])).indices  # (B, M)
    values = gather_cells(peaks, cells).flatten(1)  # the channels of the first cell, and so on
    values, indices = values.topk(min(count, values.shape[1]))
    channels = logits.shape[1]
    return torch.sigmoid(values), indices % channels, cells.gather(1, indices // channels)


def gather_cells(values: Tensor, cells: Tensor) -> Tensor:
    """
    Read a map at flat cells.

    :param values: (B, C, H, W).
    :param cells: (B, K) int64.
    :return: (B, K, C) float32.
    """
    # With channels innermost, which is how convolutions like to leave them.
    rows = values.permute(0, 2, 3, 1).flatten(1, 2).float()
    return rows.gather(1, cells[..., None].expand(-1, -1, values.shape[1]))


def weighted_l1(values: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """
    Return the weighted mean of the absolute error (CenterNet's RegL1Loss, where weights are 0, 1).

    :param values: any shape.
    :param target: the same shape.
    :param weights: float, broadcastable; 0 where the target is not known.
    :return: scalar, 0 when nothing is known.
    """
    weights = weights.expand_as(target)
    error = torch.where(weights > 0, values - target, 0).abs() * weights
    return error.sum() / weights.sum().clamp(min=1)
