# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What it costs to measure relations: passes of a network, and multiply-adds of each."""

import torch

from mcn_ros.geometry import Size
from mcn_ros.mae.model import MaskedAutoencoder, visible_patches
from mcn_ros.mae.relations import RelationConfig
from mcn_ros.mae.windows import windows


def passes(config: RelationConfig, count: int) -> list[tuple[int, int]]:
    """Return how many passes relate so many patches, by how many patches each of them sees."""
    if config.estimator == 'one_in':
        return [(count, 1)]
    if config.estimator == 'one_out':
        return [(count, count - 1), (count * (count - 1) // 2, count - 2)]
    shown = visible_patches(1, count, 1 - config.visible, torch.Generator())
    return [(config.masks * count, shown.shape[1])]


def multiply_adds(model: MaskedAutoencoder, visible: int, count: int) -> int:
    """
    Return the multiply-adds of a pass that sees some of so many patches.

    Without those of the embedding, which all passes of an image share.
    """
    encoder, decoder = model.encoder, model.config
    values = 3 * encoder.patch ** 2
    return (len(encoder.blocks) * _block(encoder.width, visible + 1)
            + decoder.depth * _block(decoder.width, count + 1)
            + (visible + 1) * encoder.width * decoder.width
            + count * decoder.width * values)


def relation_cost(model: MaskedAutoencoder, grid: Size, side: int, config: RelationConfig,
                  ) -> tuple[int, int]:
    """
    Return the passes that an image needs, and their multiply-adds.

    :param grid: rows and columns of patches of the image.
    :param side: of the windows, in patches.
    """
    total = [0, 0]
    for rows, columns in windows(grid, side):
        count = (rows.stop - rows.start) * (columns.stop - columns.start)
        for number, visible in passes(config, count):
            total[0] += number
            total[1] += number * multiply_adds(model, visible, count)
    return total[0], total[1]


def _block(width: int, tokens: int) -> int:
    """Return the multiply-adds of a transformer block: its layers, and its attention."""
    return 12 * width ** 2 * tokens + 2 * width * tokens ** 2
