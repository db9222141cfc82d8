# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Boxes as centre points with a size and an offset: what detection and pose have in common.

Source: "Objects as Points", sections 3 and 4. Sizes and offsets are in grid cells.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mcn_ros.geometry import Grid, STRIDE
from mcn_ros.structures import clip_boxes
from mcn_ros.tasks.heatmap import (
    draw_peak, find_peaks, focal_loss, gather_cells, gaussian_radius, ignore_box, masked_l1)

# Channels of the two regression maps; the heatmap has one channel per class.
BOX_MAPS = {'size': 2, 'offset': 2}


@dataclass(frozen=True)
class Centers:
    """
    The objects of one image on the grid; N of them, all with an area inside of the grid.

    :param rows: (N,) indices into the annotation.
    :param boxes: (N, 4) xyxy in grid cells, clipped to the grid.
    :param points: (N, 2) exact centres (x, y) in grid cells.
    :param cells: (N, 2) int64 column and row of the cell that holds the centre.
    :param radii: (N,) Gaussian radii in grid cells.
    """

    rows: np.ndarray
    boxes: np.ndarray
    points: np.ndarray
    cells: np.ndarray
    radii: list[int]


def locate(boxes: np.ndarray, usable: np.ndarray, grid: Grid, limit: int) -> Centers:
    """
    Find the centres of boxes that reach into the grid.

    :param boxes: (N, 4) xyxy in input pixels.
    :param usable: (N,) bool; False for boxes that are no single object (crowds).
    :param grid: the output raster.
    :param limit: at most so many, in the order given.
    """
    clipped = clip_boxes(boxes / grid.stride, (grid.height, grid.width))
    sides = clipped[:, 2:] - clipped[:, :2]
    rows = np.flatnonzero((sides > 0).all(axis=1) & usable)[:limit]
    clipped, sides = clipped[rows], sides[rows]
    points = (clipped[:, :2] + clipped[:, 2:]) / 2
    # The centre of a sliver at the far border can be rounded onto the border.
    cells = np.minimum(points.astype(np.int64), [grid.width - 1, grid.height - 1])
    radii = [gaussian_radius(np.ceil(h), np.ceil(w)) for w, h in sides]
    return Centers(rows, clipped, points, cells, radii)


def encode_centers(centers: Centers, classes: np.ndarray, num_classes: int, crowds: np.ndarray,
                   crowd_classes: np.ndarray, grid: Grid, limit: int) -> dict[str, Tensor]:
    """
    Build the targets of heatmap, size and offset.

    :param centers: objects, from :func:`locate`.
    :param classes: (N,) channel of each.
    :param num_classes: channels of the heatmap, C.
    :param crowds: (M, 4) xyxy in input pixels: regions where class ``crowd_classes`` is unknown.
    :param crowd_classes: (M,) channel of each crowd.
    :param grid: the output raster.
    :param limit: K, rows of the padded lists.
    :return: heatmap (C, H, W) float32; cells (K,) int64; size, offset (K, 2) float32 in grid
        cells; valid (K,) bool.
    """
    heatmap = np.zeros((num_classes, grid.height, grid.width), np.float32)
    for box, channel in zip(crowds, crowd_classes):
        ignore_box(heatmap[channel], box / grid.stride)
    for (column, row), channel, radius in zip(centers.cells, classes, centers.radii):
        draw_peak(heatmap[channel], column, row, radius)
    return {
        'heatmap': torch.from_numpy(heatmap),
        'cells': pad(centers.cells[:, 1] * grid.width + centers.cells[:, 0], limit),
        'size': pad((centers.boxes[:, 2:] - centers.boxes[:, :2]).astype(np.float32), limit),
        'offset': pad((centers.points - centers.cells).astype(np.float32), limit),
        'valid': pad(np.ones(len(centers.rows), bool), limit)}


def center_losses(outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the losses of heatmap, size and offset (L_center, L_size and L_off of MCN)."""
    valid = targets['valid'][..., None]
    losses = {'heatmap': focal_loss(outputs['heatmap'], targets['heatmap'])}
    for name in BOX_MAPS:
        values = gather_cells(outputs[name], targets['cells'])
        losses[name] = masked_l1(values, targets[name], valid)
    return losses


def decode_centers(outputs: dict[str, Tensor], count: int,
                   ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """
    Read boxes off the maps.

    :return: boxes (B, K, 4) xyxy in grid cells, scores (B, K), classes (B, K), cells (B, K); best
        first.
    """
    scores, classes, cells = find_peaks(outputs['heatmap'], count)
    centers = cell_points(cells, outputs['heatmap'].shape[3])
    centers = centers + gather_cells(outputs['offset'], cells)
    half = gather_cells(outputs['size'], cells).clamp(min=0) / 2
    return torch.cat([centers - half, centers + half], dim=2), scores, classes, cells


def cell_points(cells: Tensor, width: int) -> Tensor:
    """Return the corners (..., 2) xy float32 of flat cells in a grid of ``width`` columns."""
    return torch.stack([cells % width, cells // width], dim=-1).float()


def pad(rows: np.ndarray, limit: int) -> Tensor:
    """Fill up with zero rows to a static length, so that the samples of a batch stack."""
    padded = np.zeros((limit, *rows.shape[1:]), rows.dtype)
    padded[:len(rows)] = rows
    return torch.from_numpy(padded)


def to_input_pixels(points: Tensor) -> Tensor:
    """Map coordinates in grid cells to input pixels."""
    return points * STRIDE
