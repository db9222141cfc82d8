# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Lines one pixel wide, of lines of any width, that are connected as these are.

Source: Z. Guo, R. W. Hall, "Parallel Thinning with Two-Subiteration Algorithms", Communications of
the ACM, 1989; as MATLAB's ``bwmorph(.., 'thin')`` states it.
"""

import numpy as np

# The neighbours of a pixel, row and column, from the right one on against the clock.
NEIGHBOURS = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


def thin(mask: np.ndarray) -> np.ndarray:
    """Return (H, W) bool of the same: pixels are taken away until nothing more changes."""
    height, width = mask.shape
    padded = np.zeros((height + 2, width + 2), bool)
    padded[1:-1, 1:-1] = mask
    flat, steps = padded.ravel(), [row * (width + 2) + column for row, column in NEIGHBOURS]
    left = np.flatnonzero(flat)
    changed = True
    while changed:
        changed = False
        for table in TABLES:
            codes = sum(flat[left + step].astype(np.uint8) << bit
                        for bit, step in enumerate(steps))
            gone = table[codes]
            flat[left[gone]] = False
            left, changed = left[~gone], changed or gone.any()
    return padded[1:-1, 1:-1]


def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Return for both halves of a step, (256,) bool: whether a pixel goes, by its neighbours."""
    x = [None, *((np.arange(256) >> bit & 1).astype(bool) for bit in range(8))]
    x.append(x[1])
    crossings = sum((~x[k] & (x[k + 1] | x[k + 2])).astype(int) for k in (1, 3, 5, 7))
    pairs = [sum((x[k] | x[k + 1]).astype(int) for k in range(first, 9, 2)) for first in (1, 2)]
    least = np.minimum(*pairs)
    removable = (crossings == 1) & (least >= 2) & (least <= 3)
    return (removable & ~((x[2] | x[3] | ~x[8]) & x[1]),
            removable & ~((x[6] | x[7] | ~x[4]) & x[5]))


TABLES = _tables()
