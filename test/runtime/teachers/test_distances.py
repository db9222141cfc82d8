# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Boxes as distributions of distances."""

import numpy as np

from mcn_ros.runtime.teachers.distances import cell_points, decode, find


def logits(*distances):
    """Return the logits of whole distances in cells, (32,)."""
    values = np.full((4, 8), -50, np.float32)
    values[np.arange(4), list(distances)] = 50
    return values.reshape(-1)


def test_rows_are_cells_of_four_levels_row_by_row():
    points = cell_points((64, 96), middle=0.5)
    assert len(points) == 8 * 12 + 4 * 6 + 2 * 3 + 1 * 2  # the coarsest level ends beyond
    np.testing.assert_array_equal(points[[0, 1, 12, 96, 97, 120, 127]], [
        [4, 4, 8], [12, 4, 8], [4, 12, 8], [8, 8, 16], [24, 8, 16], [16, 16, 32], [96, 32, 64]])
    np.testing.assert_array_equal(cell_points((64, 96), middle=0)[13], [8, 8, 8])


def test_distances_are_in_cells_from_the_point():
    points = np.float32([[20, 40, 16]])
    np.testing.assert_allclose(decode(logits(1, 2, 3, 0)[None], points), [[4, 8, 68, 40]])


def test_a_distance_is_the_mean_of_its_distribution():
    values = logits(1, 1, 1, 1).reshape(4, 8)
    values[0, 2] = 50
    np.testing.assert_allclose(decode(values.reshape(1, -1), np.float32([[20, 40, 16]])),
                               [[-4, 24, 36, 56]], rtol=1e-6)


def test_every_class_of_a_cell_counts_and_duplicates_of_a_class_do_not():
    points = np.float32([[20, 20, 8], [22, 20, 8], [60, 20, 8]])
    rows = np.stack([logits(2, 2, 2, 2)] * 3)
    scores = np.float32([[0.5, 0.3], [0.6, 0], [0.05, 0.4]])
    found = find(scores, rows, points, floor=0.1)
    np.testing.assert_allclose(found.scores, [0.6, 0.4, 0.3])
    assert found.classes.tolist() == [0, 1, 1]
    np.testing.assert_allclose(found.boxes[0], [6, 4, 38, 36])
