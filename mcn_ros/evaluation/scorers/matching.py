# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Pixels of two maps of lines, matched one to one.

D. Martin, C. Fowlkes, J. Malik, "Learning to Detect Natural Image Boundaries Using Local
Brightness, Color, and Texture Cues", PAMI 2004, and the benchmark code of BSDS500, which solves
the same assignment with some edges chosen at random; here it is solved exactly.
"""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import KDTree


def match(one: np.ndarray, other: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """
    Match as many pixels as can be, and of all ways to do so, take that of the least distance.

    :param one: (H, W) bool.
    :param other: (H, W) bool.
    :param radius: pixels of a pair may be so far apart.
    :return: (H, W) bool of each: which pixels have a partner.
    """
    if one.sum() > other.sum():  # fewer rows are assigned sooner
        theirs, mine = match(other, one, radius)
        return mine, theirs
    points, other_points = np.argwhere(one), np.argwhere(other)
    near = KDTree(points).sparse_distance_matrix(KDTree(other_points), radius,
                                                 output_type='ndarray')
    rows, columns = _assign(near['i'], near['j'], near['v'], (len(points), len(other_points)),
                            radius)
    found = np.zeros_like(one), np.zeros_like(other)
    for mask, chosen in zip(found, (points[rows], other_points[columns])):
        mask[tuple(chosen.T)] = True
    return found


def _assign(rows: np.ndarray, columns: np.ndarray, distances: np.ndarray, size: tuple[int, int],
            radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns to take of pairs in a table of ``size``."""
    count, width = size
    if not len(rows):
        return rows, columns
    # Each row has a column of its own, for no partner. It costs more than any two pairs: as in the
    # reference, two pixels left alone. All cost 1 more, since in a sparse table 0 is no pair.
    alone = np.arange(count)
    costs = np.append(distances, np.full(count, 200 * radius)) + 1
    table = csr_array((costs, (np.append(rows, alone), np.append(columns, width + alone))),
                      (count, width + count))
    rows, columns = min_weight_full_bipartite_matching(table)
    return rows[columns < width], columns[columns < width]
