# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Labels of patches as those of pixels."""

import numpy as np

from mcn_ros.mae.pixels import enlarge, refine


def test_pixels_have_the_label_of_their_patch():
    labels = np.array([[3, 1, 2], [0, 0, 5]])
    np.testing.assert_array_equal(enlarge(labels, (8, 12)), np.kron(labels, np.ones((4, 4), int)))
    np.testing.assert_array_equal(enlarge(labels, (2, 3)), labels)
    found = enlarge(labels, (5, 7))
    assert found.shape == (5, 7) and found[0, 0] == 3 and found[-1, -1] == 5


def test_labels_follow_edges_of_the_image():
    truth = np.zeros((48, 48), int)
    truth[13:34, 12:37] = 7
    image = np.where(truth[..., None] > 0, np.uint8([200, 40, 40]), np.uint8([30, 90, 160]))
    coarse = enlarge((truth[4::8, 4::8] > 0) * 7, (48, 48))
    found = refine(coarse, image, 8)
    before, after = (int((labels != truth).sum()) for labels in (coarse, found))
    assert before > 100 and after < before / 4
    assert set(np.unique(found)) == {0, 7}


def test_where_there_is_no_edge_a_straight_one_stays():
    coarse = np.repeat(np.array([1, 2]), 16)[None].repeat(32, axis=0)
    image = np.full((32, 32, 3), 77, np.uint8)
    np.testing.assert_array_equal(refine(coarse, image, 8), coarse)
