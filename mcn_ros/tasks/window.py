# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The likeliest cells of heatmaps within Gaussian windows.

A map has ten thousand cells, and is asked for each person and joint. So it is cut into blocks, of
which the best cell and the least distance from the middle of the window say how good any cell in
them can be at most, and only the cells of the few most promising blocks are looked at.
"""

import torch
from torch import Tensor
from torch.nn import functional

# Blocks have so many cells across and down; maps are multiples of that.
BLOCK = 8

# So many blocks are looked at for each window.
BLOCKS = 4


def likeliest_cells(logits: Tensor, points: Tensor, extent: Tensor) -> Tensor:
    """
    Return the cells where sigmoid(logits) * exp(-d^2 / extent) is largest.

    :param logits: (B, J, H, W).
    :param points: (B, K, J, 2) xy in grid cells, the middles of the windows; d is the distance of
        the middle of a cell from there.
    :param extent: (B, K) square cells.
    :return: (B, K, J) int64 flat cells.
    """
    # In logarithms, products are sums, and none is too small to be compared.
    evidence = functional.logsigmoid(logits.float())
    rows, columns = (side // BLOCK for side in logits.shape[2:])
    blocks = evidence.unflatten(3, (columns, BLOCK)).unflatten(2, (rows, BLOCK)).transpose(3, 4)
    blocks = blocks.flatten(4).flatten(2, 3)  # (B, J, N, cells of a block)
    x, y = points.transpose(1, 2)[..., None].unbind(dim=3)  # (B, J, K, 1) each
    extent = extent[:, None, :, None, None]
    across, down = _gaps(x, columns) ** 2, _gaps(y, rows) ** 2
    bound = blocks.amax(dim=3).unflatten(2, (rows, columns))[:, :, None] - (
        down[..., None] + across[..., None, :]) / extent
    chosen = bound.flatten(3).topk(min(BLOCKS, rows * columns)).indices  # (B, J, K, M)

    found = blocks.gather(2, chosen.flatten(2)[..., None].expand(-1, -1, -1, BLOCK ** 2))
    inner = torch.arange(BLOCK ** 2, device=logits.device)
    column = (chosen % columns * BLOCK)[..., None] + inner % BLOCK  # (B, J, K, M, cells)
    row = (chosen // columns * BLOCK)[..., None] + inner // BLOCK
    squares = (column + 0.5 - x[..., None]) ** 2 + (row + 0.5 - y[..., None]) ** 2
    values = found.unflatten(2, chosen.shape[2:]) - squares / extent
    best = values.flatten(3).argmax(dim=3, keepdim=True)
    cells = (row * logits.shape[3] + column).flatten(3).gather(3, best)
    return cells.squeeze(3).transpose(1, 2)


def _gaps(points: Tensor, count: int) -> Tensor:
    """Return how far points (..., 1) are from the nearest middle of a cell of blocks, (..., N)."""
    first = BLOCK * torch.arange(count, device=points.device) + 0.5
    return torch.maximum(first - points, points - (first + BLOCK - 1)).clamp(min=0)
