# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Joints that snap to the peaks of their heatmap.

Source: "Objects as Points", section 4.2, and its published code.
"""

import torch
from torch import Tensor

from mcn_ros.tasks.centers import cell_points
from mcn_ros.tasks.heatmap import find_peaks, gather_cells

# A regressed joint moves to a heatmap peak only if the peak is at least this likely ...
SNAP_SCORE = 0.1
# ... and not farther away than this share of the person's longer side.
SNAP_DISTANCE = 0.3


def snap(outputs: dict[str, Tensor], boxes: Tensor, regressed: Tensor, count: int,
         ) -> tuple[Tensor, Tensor]:
    """
    Move regressed joints to a heatmap peak where CenterNet's rules allow it.

    :param outputs: with joint_heatmap (B, J, H, W) and joint_offset (B, 2, H, W).
    :param boxes: (B, K, 4) xyxy of the people, as everything in grid cells.
    :param regressed: (B, K, J, 2) xy.
    :param count: most peaks of each kind of joint to look at.
    :return: places (B, K, J, 2); and scores (B, K, J), each that of its peak, or the heatmap's at
        the regressed place.
    """
    heatmap = outputs['joint_heatmap']
    batch, num, height, width = heatmap.shape
    peak_scores, _, cells = find_peaks(heatmap.reshape(batch * num, 1, height, width), count)
    peaks = peak_scores.shape[1]
    peak_scores = peak_scores.reshape(batch, 1, num, peaks)
    cells = cells.reshape(batch, num * peaks)
    points = cell_points(cells, width) + gather_cells(outputs['joint_offset'], cells)
    points = points.reshape(batch, 1, num, peaks, 2)

    distances = (regressed[..., None, :] - points).square().sum(-1).sqrt()  # (B, K, J, P)
    sides = (boxes[..., 2:] - boxes[..., :2])[:, :, None]  # (B, K, 1, 2)
    chosen = (distances + 1e6 * (peak_scores <= SNAP_SCORE)).argmin(dim=3, keepdim=True)

    people = regressed.shape[1]
    snapped = points.expand(-1, people, -1, -1, -1).gather(
        3, chosen[..., None].expand(-1, -1, -1, -1, 2)).squeeze(3)
    snapped_scores = peak_scores.expand(-1, people, -1, -1).gather(3, chosen).squeeze(3)
    distance = distances.gather(3, chosen).squeeze(3)
    low, high = boxes[:, :, None, :2], boxes[:, :, None, 2:]
    moves = ((snapped >= low) & (snapped <= high)).all(dim=3) & (snapped_scores > SNAP_SCORE)
    moves &= distance <= SNAP_DISTANCE * sides.amax(dim=3)
    own_scores = _scores_at(heatmap, regressed)
    return (torch.where(moves[..., None], snapped, regressed),
            torch.where(moves, snapped_scores, own_scores))


def _scores_at(heatmap: Tensor, points: Tensor) -> Tensor:
    """Read (B, J, H, W) logits at points (B, K, J, 2) in grid cells; 0 outside of the grid."""
    height, width = heatmap.shape[2:]
    column, row = points.floor().long().unbind(dim=3)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    cells = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)  # (B, K, J)
    logits = heatmap.float().flatten(2).gather(2, cells.transpose(1, 2)).transpose(1, 2)
    return torch.sigmoid(logits) * inside
