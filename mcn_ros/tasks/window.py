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
BLOCKS = 6


def likeliest_cells(logits: Tensor, points: Tensor, extent: Tensor, free: Tensor,
                    ) -> tuple[Tensor, Tensor]:
    """
    Return the cells where sigmoid(logits) * exp(-max(0, d^2 - free) / extent) is largest.

    :param logits: (B, J, H, W).
    :param points: (B, K, J, 2) xy in grid cells, the middles of the windows; d is the distance of
        the middle of a cell from there.
    :param extent: (B, K) square cells; next to none for a disc.
    :param free: (B, K) square cells.
    :return: (B, K, J) int64 flat cells, and the logits (B, K, J) there, float32.
    """
    rows, columns = (side // BLOCK for side in logits.shape[2:])
    # From the order that maps have in memory, so that they are put into another one once.
    blocks = logits.float().permute(0, 2, 3, 1).unflatten(2, (columns, BLOCK))
    blocks = blocks.unflatten(1, (rows, BLOCK)).permute(0, 5, 1, 3, 2, 4)
    blocks = blocks.flatten(4).flatten(2, 3)  # (B, J, N, cells of a block)
    x, y = points.transpose(1, 2)[..., None].unbind(dim=3)  # (B, J, K, 1) each
    extent, free = (values[:, None, :, None, None] for values in (extent, free))
    across, down = _gaps(x, columns) ** 2, _gaps(y, rows) ** 2
    # In logarithms, products are sums, and none is too small to be compared.
    bound = -functional.softplus(-blocks.amax(dim=3)).unflatten(2, (rows, columns))[:, :, None]
    squares = down[..., None] + across[..., None, :]
    bound = bound - (squares - free).clamp(min=0) / extent
    chosen = bound.flatten(3).permute(0, 3, 1, 2).topk(min(BLOCKS, rows * columns), dim=1).indices
    chosen = chosen.permute(0, 2, 3, 1)  # (B, J, K, M)

    values = _take_rows(blocks, chosen)
    found = (-functional.softplus(-values)).unflatten(4, (BLOCK, BLOCK))
    middles = torch.arange(BLOCK, device=logits.device) + 0.5
    across = (chosen % columns * BLOCK - x)[..., None] + middles  # (B, J, K, M, BLOCK)
    down = (chosen // columns * BLOCK - y)[..., None] + middles
    squares = (down ** 2)[..., None] + (across ** 2)[..., None, :]
    found = found - (squares - free[..., None]).clamp(min=0) / extent[..., None]
    best = _largest(found.flatten(3))
    block, cell = chosen.gather(3, best // BLOCK ** 2), best % BLOCK ** 2
    row = block // columns * BLOCK + cell // BLOCK
    column = block % columns * BLOCK + cell % BLOCK
    there = values.flatten(3).gather(3, best)
    return tuple(each.squeeze(3).transpose(1, 2)
                 for each in (row * logits.shape[3] + column, there))


def _largest(values: Tensor) -> Tensor:
    """Return the places (..., 1) of the first of the largest values of rows (..., N)."""
    # The same as argmax, which compilers make a sorting of each row of.
    count = values.shape[-1]
    before = torch.arange(count, 0, -1, device=values.device)
    largest = values == values.amax(dim=-1, keepdim=True)
    return (count - (largest * before).amax(dim=-1, keepdim=True)).clamp(max=count - 1)


def _take_rows(values: Tensor, rows: Tensor) -> Tensor:
    """Return rows (B, J, K, M) of values (B, J, N, C), as (B, J, K, M, C)."""
    # Whole rows of a table are copied in one go, single numbers are not.
    images, maps, count, _ = values.shape
    image, kind = (torch.arange(number, device=values.device) for number in (images, maps))
    first = (image[:, None] * maps + kind) * count
    places = (first[:, :, None, None] + rows).flatten()
    return values.flatten(0, 2).index_select(0, places).view(*rows.shape, -1)


def _gaps(points: Tensor, count: int) -> Tensor:
    """Return how far points (..., 1) are from the nearest middle of a cell of blocks, (..., N)."""
    first = BLOCK * torch.arange(count, device=points.device) + 0.5
    return torch.maximum(first - points, points - (first + BLOCK - 1)).clamp(min=0)
