# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Boxes as centre points with a size and an offset: what detection and pose have in common.

Source: "Objects as Points", sections 3 and 4. Sizes and offsets are in grid cells.
"""

from dataclasses import dataclass
import math
from typing import Any, Sequence

import numpy as np
import torch
from torch import Tensor

from mcn_ros.geometry import Grid, STRIDE
from mcn_ros.structures import clip_boxes
from mcn_ros.tasks.heatmap import (
    count_peaks, draw_heatmap, encode_heatmap, find_peaks, focal_loss, gather_cells,
    gaussian_radii, weighted_l1)
from mcn_ros.tasks.overlap import distance_iou_loss

# Channels of the two regression maps; the heatmap has one channel per class.
BOX_MAPS = {'size': 2, 'offset': 2}

# An object that is learned in a region is learned at so many places across it and down it: enough
# to cover it, and the same number for every object.
PLACES = 5

# Sizes in grid cells that the logarithm of a size can stand for.
MIN_SIZE, MAX_SIZE = 0.25, 512.0

# The logarithm of a size that a new head answers: eight cells, 32 input pixels.
LOG_SIZE_BIAS = math.log(8)


@dataclass(frozen=True)
class Centers:
    """
    The objects of one image on the grid; N of them, all with an area inside of the grid.

    :param rows: (N,) indices into the annotation.
    :param boxes: (N, 4) xyxy in grid cells, clipped to the grid.
    :param points: (N, 2) exact centres (x, y) in grid cells.
    :param cells: (N, 2) int64 column and row of the cell that holds the centre.
    :param radii: (N,) int64 Gaussian radii in grid cells.
    :param learned: (K,) indices into the above of those whose boxes are learned; of all others,
        only that they are there.
    """

    rows: np.ndarray
    boxes: np.ndarray
    points: np.ndarray
    cells: np.ndarray
    radii: np.ndarray
    learned: np.ndarray


def locate(boxes: np.ndarray, usable: np.ndarray, grid: Grid, limit: int) -> Centers:
    """
    Find the centres of boxes that reach into the grid.

    :param boxes: (N, 4) xyxy in input pixels.
    :param usable: (N,) bool; False for boxes that are no single object (crowds).
    :param grid: the output raster.
    :param limit: learn the boxes of at most so many.
    """
    clipped = clip_boxes(boxes / grid.stride, (grid.height, grid.width))
    sides = clipped[:, 2:] - clipped[:, :2]
    rows = np.flatnonzero(usable & (sides > 0).all(axis=1))
    clipped, sides = clipped[rows], sides[rows]
    points = (clipped[:, :2] + clipped[:, 2:]) / 2
    # The centre of a sliver at the far border can be rounded onto the border.
    cells = np.minimum(points.astype(np.int64), [grid.width - 1, grid.height - 1])
    return Centers(rows, clipped, points, cells, gaussian_radii(np.ceil(sides)),
                   evenly(len(rows), limit))


def evenly(count: int, limit: int) -> np.ndarray:
    """
    Return at most ``limit`` of so many indices, (K,).

    From among all of them: in files that are sorted by class, the first are of one class.
    """
    few = min(count, limit)
    return np.arange(few) * count // max(1, few)


def check_spread(spread: float, name: str) -> None:
    """Refuse a spread outside of 0..1."""
    if not 0 <= spread <= 1:
        raise ValueError(f'{name}: {spread} is not in 0..1')


def check_limits(task: Any, name: str, limits: Sequence[str]) -> None:
    """Refuse a task that is to know, or find, no object at all."""
    for limit in limits:
        if getattr(task, limit) < 1:
            raise ValueError(f'{name}.{limit}: {getattr(task, limit)} is not positive')


def region(centers: Centers, spread: float, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """
    Choose the cells at which each object whose box is learned is.

    CenterNet learns size and offset of an object at one cell, so most cells around a centre never
    see a gradient. Learning in a region around it, weighted by a Gaussian, takes several times
    fewer updates (Z. Liu et al., "Training-Time-Friendly Network for Real-Time Object Detection",
    AAAI 2020, section 3.2; its beta is our spread). Where regions overlap, the smaller object has
    the cell; the cell of a centre is its own object's.

    :param centers: N objects, the boxes of K of them are learned.
    :param spread: share of a box's width and height that its region has; 0 for the centre alone.
    :param grid: the output raster.
    :return: cells (K, S, 2) int64 column and row, and their weights (K, S) float32, 1 in total
        for each object; S = 1 without a spread.
    """
    own = centers.learned
    if not spread:
        return centers.cells[own, None], np.ones((len(own), 1), np.float32)
    line = np.linspace(-1, 1, PLACES)
    places = np.stack(np.meshgrid(line, line), axis=-1).reshape(1, -1, 2)  # of the half region
    reach = (centers.boxes[:, None, 2:] - centers.boxes[:, None, :2]) * spread / 2
    cells = (centers.points[own, None] + places * reach[own]).astype(np.int64)
    cells = np.clip(cells, 0, [grid.width - 1, grid.height - 1])
    # Sigma is a sixth of the region's side, as in the heatmap: three of them reach its edge.
    weights = np.exp(-4.5 * (places ** 2).sum(axis=2)) * np.ones((len(cells), 1))
    middle = PLACES ** 2 // 2
    cells[:, middle] = centers.cells[own]
    areas = reach.prod(axis=2)[:, 0]
    apart = np.abs(cells[:, :, None] - centers.cells)  # (K, S, N, 2)
    others = (apart <= reach[:, 0]).all(axis=3) & (areas < areas[own, None])[:, None]
    others |= (apart == 0).all(axis=3) & (own[:, None] != np.arange(len(areas)))[:, None]
    others[:, middle] = False
    weights[others.any(axis=2)] = 0
    return cells, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def encode_centers(centers: Centers, classes: np.ndarray, labelled: np.ndarray,
                   crowds: np.ndarray, crowd_classes: np.ndarray, grid: Grid, limit: int,
                   spread: float = 0.0) -> dict[str, Tensor]:
    """
    Build the targets of heatmap, size and offset.

    :param centers: objects, from :func:`locate`.
    :param classes: (N,) channel of each.
    :param labelled: (C,) bool: channels of the heatmap of which something is known.
    :param crowds: (M, 4) xyxy in input pixels: regions where class ``crowd_classes`` is unknown.
    :param crowd_classes: (M,) channel of each crowd.
    :param grid: the output raster.
    :param limit: K, rows of the padded lists; every object has a peak, though.
    :param spread: see :func:`region`.
    :return: the heatmap as :func:`mcn_ros.tasks.heatmap.encode_heatmap` describes it; cells (K, S)
        int64 at which an object is learned and their weights (K, S) float32, 0 where there is
        none; size (K, 2) and offset (K, S, 2) of the centre from the corner of each cell, float32
        in grid cells.
    """
    peaks = np.column_stack([classes, centers.cells, centers.radii])
    unknown = np.column_stack([crowd_classes, crowds / grid.stride])
    cells, weights = region(centers, spread, grid)
    boxes, points = centers.boxes[centers.learned], centers.points[centers.learned]
    return {
        **encode_heatmap('heatmap', peaks, unknown, labelled, (grid.height, grid.width)),
        'cells': pad(cells[..., 1] * grid.width + cells[..., 0], limit),
        'weights': pad(weights, limit),
        'size': pad((boxes[:, 2:] - boxes[:, :2]).astype(np.float32), limit),
        'offset': pad((points[:, None] - cells).astype(np.float32), limit)}


def center_losses(outputs: dict[str, Tensor], targets: dict[str, Tensor], iou_loss: bool = False,
                  relative: bool = False) -> dict[str, Tensor]:
    """
    Return the losses of heatmap, size and offset (L_center, L_size and L_off of MCN).

    :param relative: how the maps are to be read, see :func:`read_boxes`; then the errors of
        offsets are in units of the object, those of sizes are of logarithms.
    :param iou_loss: add the loss 'iou', 1 - IoU of the boxes plus the squared distance of their
        centres relative to the diagonal that encloses both (Z. Zheng et al., "Distance-IoU Loss",
        AAAI 2020): unlike an error in cells it asks the same precision of all sizes.
    """
    target = targets['size'][:, :, None].expand_as(targets['offset'])  # (B, K, S, 2)
    weights = targets['weights'][..., None]
    size, offset = (values.view_as(target) for values in
                    read_boxes(outputs, targets['cells'].flatten(1), relative))
    unit = scale_of(target, relative)
    heatmap = outputs['heatmap']
    losses = {'heatmap': focal_loss(heatmap, draw_heatmap(targets, 'heatmap', heatmap.shape[2:])),
              'size': weighted_l1(size, target, weights),
              'offset': weighted_l1(offset / unit, targets['offset'] / unit, weights)}
    if relative:
        losses['size'] = weighted_l1(size.log(), target.clamp(min=MIN_SIZE).log(), weights)
    if iou_loss:
        size = size.clamp(min=0)
        error = distance_iou_loss(
            torch.cat([offset - size / 2, offset + size / 2], dim=3),
            torch.cat([targets['offset'] - target / 2, targets['offset'] + target / 2], dim=3))
        losses['iou'] = (error * targets['weights']).sum() / count_objects(targets).clamp(min=1)
    return losses


def read_boxes(outputs: dict[str, Tensor], cells: Tensor, relative: bool = False,
               ) -> tuple[Tensor, Tensor]:
    """
    Read sizes and offsets at flat cells.

    :param outputs: the maps of :data:`BOX_MAPS`.
    :param cells: (B, N) int64.
    :param relative: the maps hold logarithms of sizes, and offsets in units of :func:`scale_of`
        the size: what a layer has to learn is of order 1 for objects of every size.
    :return: size (B, N, 2) and offset (B, N, 2) in grid cells; a size that is not read off a
        logarithm can be negative.
    """
    size, offset = (gather_cells(outputs[name], cells) for name in BOX_MAPS)
    if not relative:
        return size, offset
    size = size.clamp(math.log(MIN_SIZE), math.log(MAX_SIZE)).exp()
    # How large an object is, is not to be learned from where it is.
    return size, offset * scale_of(size.detach(), relative)


def scale_of(size: Tensor, relative: bool) -> Tensor:
    """Return the unit of lengths of boxes (..., 2) w, h: (..., 1) their mean side, or 1 cell."""
    if not relative:
        return torch.ones_like(size[..., :1])
    return size.clamp(min=MIN_SIZE).prod(dim=-1, keepdim=True).sqrt()


def mirror_boxes(outputs: dict[str, Tensor], relative: bool = False) -> dict[str, Tensor]:
    """Return heatmap, size and offset of the mirror image."""
    maps = {name: outputs[name].flip(3) for name in ('heatmap', *BOX_MAPS)}
    return {**maps, 'offset': mirror_points(maps['offset'], maps['size'], relative)}


def mirror_points(points: Tensor, size: Tensor, relative: bool = False) -> Tensor:
    """
    Mirror the ways from the corners of cells to points, in maps whose columns are mirrored.

    :param points: (B, 2 N, H, W) x, y pairs.
    :param size: (B, 2, H, W), the map of sizes.
    :param relative: see :func:`read_boxes`.
    """
    if relative:
        size = size.clamp(math.log(MIN_SIZE), math.log(MAX_SIZE)).exp()
    cell = 1 / scale_of(size.movedim(1, 3), relative).movedim(3, 1)  # in the unit of the maps
    x, y = points.unflatten(1, (-1, 2)).unbind(dim=2)
    # What was the left corner of a cell is the right one in the mirror.
    return torch.stack([cell - x, y], dim=2).flatten(1, 2)


def center_weights(iou_loss: bool = False) -> dict[str, float]:
    """Return the losses of heatmap, size and offset, with their weights in MCN, section 3."""
    return {'heatmap': 1.0, 'size': 0.1, 'offset': 1.0, **({'iou': 1.0} if iou_loss else {})}


def center_counts(targets: dict[str, Tensor], iou_loss: bool = False) -> dict[str, Tensor]:
    """Return how many peaks, numbers and boxes the :func:`center_losses` are means over."""
    objects = count_objects(targets)
    counts = {'heatmap': count_peaks(targets, 'heatmap'), 'size': 2 * objects,
              'offset': 2 * objects}
    return {**counts, 'iou': objects} if iou_loss else counts


def count_objects(targets: dict[str, Tensor]) -> Tensor:
    """Return the number of objects in a batch of targets, a scalar float32."""
    return (targets['weights'] > 0).any(dim=2).sum().float()


def decode_centers(outputs: dict[str, Tensor], count: int, relative: bool = False,
                   ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """
    Read boxes off the maps.

    :return: boxes (B, K, 4) xyxy in grid cells, scores (B, K), classes (B, K), cells (B, K); best
        first. A box of a negative size is empty.
    """
    scores, classes, cells = find_peaks(outputs['heatmap'], count)
    size, offset = read_boxes(outputs, cells, relative)
    centers = cell_points(cells, outputs['heatmap'].shape[3]) + offset
    half = size.clamp(min=0) / 2
    return torch.cat([centers - half, centers + half], dim=2), scores, classes, cells


def in_order(rows: Tensor, order: Tensor) -> Tensor:
    """Return rows (B, N, ...) of each image by their numbers (B, K), as (B, K, ...)."""
    # Not by take_along_dim, whose broadcasting makes a constant of the number of images.
    index = order.reshape(order.shape + (1,) * (rows.dim() - 2))
    return rows.gather(1, index.expand(-1, -1, *rows.shape[2:]))


def cell_points(cells: Tensor, width: int) -> Tensor:
    """Return the corners (..., 2) xy float32 of flat cells in a grid of ``width`` columns."""
    return torch.stack([cells % width, cells // width], dim=-1).float()


def pad(rows: np.ndarray, limit: int) -> Tensor:
    """Fill up with zero rows to a static length, so that the samples of a batch stack."""
    padded = np.zeros((limit, *rows.shape[1:]), rows.dtype)
    padded[:len(rows)] = rows
    return torch.from_numpy(padded)


def to_input_pixels(points: Tensor, stride: int = STRIDE) -> Tensor:
    """Map coordinates in grid cells to input pixels."""
    return points * stride
