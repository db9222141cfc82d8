# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Pixels of two maps of lines, matched one to one.

D. Martin, C. Fowlkes, J. Malik, "Learning to Detect Natural Image Boundaries Using Local
Brightness, Color, and Texture Cues", PAMI 2004, and the benchmark code of BSDS500, which solves
the same assignment with some edges chosen at random; here it is solved exactly.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree


def match(one: np.ndarray, other: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """
    Match as many pixels as can be, and of all ways to do so, take that of the least distance.

    :param one: (H, W) bool.
    :param other: (H, W) bool.
    :param radius: pixels of a pair may be so far apart.
    :return: (H, W) bool of each: which pixels have a partner.
    """
    points, other_points = np.argwhere(one), np.argwhere(other)
    near = KDTree(points).sparse_distance_matrix(KDTree(other_points), radius,
                                                 output_type='ndarray')
    rows, columns = _assign(near['i'], near['j'], near['v'], len(points), radius)
    found = np.zeros_like(one), np.zeros_like(other)
    for mask, chosen in zip(found, (points[rows], other_points[columns])):
        mask[tuple(chosen.T)] = True
    return found


def _assign(rows: np.ndarray, columns: np.ndarray, distances: np.ndarray, count: int,
            radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs, of ``count`` rows, to take; parts that do not touch are solved alone."""
    size = count + columns.max(initial=0) + 1
    graph = coo_array((np.ones(len(rows)), (rows, columns + count)), (size, size))
    part = connected_components(graph, directed=False)[1][rows]
    order = np.argsort(part, kind='stable')
    rows, columns, distances, part = (each[order] for each in (rows, columns, distances, part))
    matched = np.zeros(len(rows), bool)
    starts = np.flatnonzero(np.diff(part, prepend=-1))
    ends = np.append(starts[1:], len(part))
    matched[starts[ends - starts == 1]] = True  # a single pair
    for start, end in zip(starts, ends):
        if end - start > 1:
            pairs = slice(start, end)
            matched[pairs] = _solve(rows[pairs], columns[pairs], distances[pairs], radius)
    return rows[matched], columns[matched]


def _solve(rows: np.ndarray, columns: np.ndarray, distances: np.ndarray, radius: float,
           ) -> np.ndarray:
    """Return which pairs, (E,) bool, of a connected part are matched."""
    names, row = np.unique(rows, return_inverse=True)
    others, column = np.unique(columns, return_inverse=True)
    # No pair at all costs more than any two pairs: as the reference, two pixels left alone.
    costs = np.full((len(names), len(others)), 200 * radius)
    costs[row, column] = distances
    partner = np.full(len(names), -1)
    chosen = linear_sum_assignment(costs)
    partner[chosen[0]] = chosen[1]
    return partner[row] == column
