# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Heatmaps whose peaks are points: drawing targets, the focal loss and finding peaks.

Source: X. Zhou, D. Wang, P. Kraehenbuehl, "Objects as Points", 2019, section 3; the Gaussian
radius is CornerNet's (H. Law, J. Deng, ECCV 2018).
"""

from typing import Any, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mcn_ros.geometry import Size

# Target value of a cell that teaches nothing. Below every Gaussian, so drawing a peak over an
# ignored region by maximum makes the peak count.
UNKNOWN = -1.0

# A new heatmap answers 0.1 everywhere: sigmoid(-2.19), so that the many negatives do not swamp the
# first steps (focal loss, Lin et al. 2017, section 4.1).
PRIOR_BIAS = -2.19

# The logit of a cell that is no peak: its score is 0.
NO_PEAK = -1e4

# In place of a channel: all of them.
ALL = -1


def gaussian_radii(sizes: np.ndarray, min_overlap: float = 0.7) -> np.ndarray:
    """
    Return how far corner pairs may move while their boxes keep an overlap with the true ones.

    The three roots are CornerNet's as published in code, ``(b + sqrt(b^2 - 4ac)) / 2`` without the
    division by a: all CenterNet results were made with them.

    :param sizes: (N, 2) sides of boxes in grid cells.
    :param min_overlap: smallest intersection over union.
    :return: (N,) int64 radii in whole grid cells, >= 0.
    """
    total, area = sizes.sum(axis=1), sizes.prod(axis=1)
    quadratics = (
        (1, total, area * (1 - min_overlap) / (1 + min_overlap)),
        (4, 2 * total, (1 - min_overlap) * area),
        (4 * min_overlap, -2 * min_overlap * total, (min_overlap - 1) * area))
    roots = [(b + np.sqrt(b * b - 4 * a * c)) / 2 for a, b, c in quadratics]
    return np.maximum(np.min(roots, axis=0), 0).astype(np.int64)


def encode_heatmap(name: str, peaks: np.ndarray, unknown: np.ndarray, labelled: np.ndarray,
                   size: Size) -> dict[str, Tensor]:
    """
    Describe a heatmap in few numbers, of which :func:`draw_heatmap` makes it.

    :param name: of the heatmap.
    :param peaks: (P, 4) integers: channel, column and row of the cell, and radius of a Gaussian
        whose value is 1 there.
    :param unknown: (M, 5) channel (ALL of them, for every one) and box, xyxy in grid cells: cells
        that it touches are unknown unless they are of a peak.
    :param labelled: (C,) bool; where False, the whole channel is unknown.
    :param size: (height, width) of the heatmap.
    :return: each with a name that begins with that of the heatmap: peaks (P, 4) int16, each cell
        of a channel once; windows (T,) bool, as many as there are cells in the squares of all
        peaks together, True for the first of each; unknown (M, 5) int16 and labelled (C,) bool.
    """
    peaks = _widest(peaks[labelled[peaks[:, 0]]])
    windows = np.zeros((2 * peaks[:, 3] + 1) @ (2 * peaks[:, 3] + 1), bool)
    windows[_begins(peaks[:, 3])] = True
    cells = np.concatenate([unknown[:, :1], np.floor(unknown[:, 1:3]), np.ceil(unknown[:, 3:])],
                           axis=1)
    cells[:, 1:] = np.clip(cells[:, 1:], 0, [size[1], size[0], size[1], size[0]])
    arrays = {'peaks': peaks.astype(np.int16), 'windows': windows,
              'unknown': cells.astype(np.int16), 'labelled': labelled}
    return {f'{name}_{key}': torch.from_numpy(array) for key, array in arrays.items()}


def _widest(peaks: np.ndarray) -> np.ndarray:
    """Return peaks (P, 4), of those in the same cell the widest only: no other is above it."""
    peaks = peaks[np.lexsort(peaks.T[::-1])]
    last = np.ones(len(peaks), bool)
    last[:-1] = (peaks[1:, :3] != peaks[:-1, :3]).any(axis=1)
    return peaks[last]


def _begins(radii: Any) -> Any:
    """Return where the squares of radii (..., P) begin in a list of all their cells."""
    areas = (2 * radii + 1) ** 2
    return areas.cumsum(-1) - areas


@torch.no_grad()
def draw_heatmap(targets: dict[str, Tensor], name: str, size: Sequence[int]) -> Tensor:
    """
    Draw a heatmap where its description is: the device is not waited for.

    :param targets: what :func:`encode_heatmap` made for each of B images, lists of fewer than the
        longest filled up with zeros.
    :param name: of the heatmap.
    :param size: (height, width).
    :return: (B, C, H, W) float32: 1 at peaks, the largest of the Gaussians around them, 0, and
        UNKNOWN.
    """
    peaks, windows, unknown, labelled = (
        targets[f'{name}_{key}'] for key in ('peaks', 'windows', 'unknown', 'labelled'))
    heatmap = torch.zeros(*labelled.shape, *size, device=labelled.device)
    if unknown.shape[1]:
        heatmap.masked_fill_(_inside(unknown, labelled.shape[1], size), UNKNOWN)
    heatmap.masked_fill_(~labelled[:, :, None, None], UNKNOWN)
    if peaks.shape[1]:
        heatmap.flatten(1).scatter_reduce_(1, *_gaussians(peaks.long(), windows, size), 'amax')
    return heatmap


def _inside(boxes: Tensor, channels: int, size: Sequence[int]) -> Tensor:
    """Return (B, C, H, W) bool: the cells in boxes (B, M, 5) of channel and xyxy."""
    channel, left, top, right, bottom = boxes[..., None].unbind(dim=2)  # (B, M, 1) each
    across, down, every = (torch.arange(count, device=boxes.device)
                           for count in (size[1], size[0], channels))
    members = (every == channel) | (channel == ALL), (down >= top) & (down < bottom), (
        across >= left) & (across < right)
    return torch.einsum('bmc,bmh,bmw->bchw', *(member.float() for member in members)) > 0


def _gaussians(peaks: Tensor, windows: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """
    Return the cells of the squares around peaks, and the values there.

    :return: (B, T) int64 numbers of cells in (C, H, W), and (B, T) float32, UNKNOWN for those
        that are none.
    """
    owners = windows.cumsum(1) - 1  # -1 in an image without peaks
    own = owners.clamp(min=0)
    channel, column, row, radius = peaks.gather(1, own[..., None].expand(-1, -1, 4)).unbind(2)
    place = torch.arange(own.shape[1], device=own.device) - _begins(peaks[..., 3]).gather(1, own)
    sides = 2 * radius + 1
    down, across = place // sides - radius, place % sides - radius
    y, x = row + down, column + across
    valid = (owners >= 0) & (down <= radius) & (y >= 0) & (y < size[0]) & (x >= 0) & (x < size[1])
    sigma = sides.double() / 6
    values = torch.exp(-(down ** 2 + across ** 2) / (2 * sigma * sigma)).float()
    return (torch.where(valid, (channel * size[0] + y) * size[1] + x, 0),
            torch.where(valid, values, UNKNOWN))


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """
    Penalty-reduced focal loss ("Objects as Points", equation 1; alpha 2, beta 4).

    Normalised by the number of peaks in the whole batch. Computed from logits in float32, so it
    needs no clamp of the probabilities.

    :param logits: (B, C, H, W).
    :param target: (B, C, H, W): 1 at peaks, Gaussian around them, UNKNOWN where nothing is known.
    :return: scalar; the undivided negative term when there is no peak.
    """
    if target.device.type != 'cpu':
        return _focal_loss(logits.float(), target)
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


def _focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the focal loss by shapes that do not depend on values: no device is waited for."""
    peak = target == 1
    # The loss of a peak is that of a cell without one, whose logit is the opposite.
    logits = torch.where(peak, -logits, logits)
    weight = torch.where(peak, 1, torch.where(target >= 0, 1 - target, 0) ** 4)
    loss = functional.softplus(logits) * torch.sigmoid(logits) ** 2 * weight
    return loss.sum() / peak.sum().clamp(min=1)


def count_peaks(targets: dict[str, Tensor], name: str) -> Tensor:
    """Return the number of peaks of the heatmap of a name, a scalar float32."""
    return targets[f'{name}_windows'].sum().float()


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
