# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scores of communities, by hand."""

import numpy as np
import pytest

from mcn_ros.mae.pixels import enlarge
from mcn_ros.mae.scores import (boundary_f, measure, overlap, patch_truth, relation_auc, summary)


def square(side=32, top=8, left=8, length=16):
    segments = np.zeros((side, side), int)
    segments[top:top + length, left:left + length] = 1
    return segments


def test_patches_are_of_what_most_of_them_is_of():
    segments = square(16, 0, 0, 8)
    segments[:8, 8:10] = 2  # a quarter of the patch
    segments[8:, :8] = 255
    labels, pure = patch_truth(segments, (2, 2))
    assert labels.tolist() == [[1, 0], [255, 0]]
    assert pure.tolist() == [[True, False], [False, True]]


def test_auc_is_the_chance_to_be_right():
    labels, pure = np.array([[0, 0, 1, 1]]), np.ones((1, 4), bool)
    relation = np.array([[0, 5, 1, 6], [5, 0, 2, 3], [1, 2, 0, 4], [6, 3, 4, 0.]])
    # Pairs of one segment have 5 and 4, others 1, 6, 2, 3: right in 3 + 3 of 8.
    assert relation_auc(relation, labels, pure) == pytest.approx(6 / 8)
    assert relation_auc(np.ones((4, 4)), labels, pure) == 0.5
    relation[0, 3] = relation[3, 0] = np.nan
    assert relation_auc(relation, labels, pure) == 1
    assert relation_auc(relation, np.zeros((1, 4), int), pure) is None
    pure[0, 0] = False
    assert relation_auc(relation, labels, pure) == 1


def test_contours_may_be_half_a_patch_off():
    truth = square()
    assert boundary_f(truth, square(), 8) == 1
    assert boundary_f(truth, square(top=12), 8) > 0.9
    assert boundary_f(truth, square(top=12), 2) < 0.8
    assert boundary_f(truth, np.zeros_like(truth), 8) == 0
    assert boundary_f(np.zeros_like(truth), truth, 8) is None


def test_contours_of_what_is_not_known_are_none():
    truth, found = square(), square()
    truth[:, 20:] = 255
    found[:, 26] = 3
    assert boundary_f(truth, found, 1) == 1


def test_overlap_counts_known_pixels():
    segments = np.array([[0, 1, 2, 255]])
    assert overlap(segments, np.array([[True, True, False, True]])) == {
        'inside': 1, 'any': 3, 'decided': True}
    assert overlap(segments, None) == {'inside': 0, 'any': 2, 'decided': False}


def test_the_truth_is_perfect_and_nothing_is_not():
    segments = square()
    patches = segments[4::8, 4::8]
    relation = (patches.ravel()[:, None] == patches.ravel()) * 1.0
    perfect = measure(segments, patches, enlarge(patches, (32, 32)), segments > 0, relation)
    nothing = measure(segments, np.zeros((4, 4), int), np.zeros((32, 32), int), None,
                      np.zeros((16, 16)))
    assert set(summary([perfect]).values()) == {1.0}
    assert summary([nothing]) == {
        'AUC': 0.5, 'ARI': 0.0, 'best_match': pytest.approx((.75 + .25) / 2), 'boundary_F': 0.0,
        'foreground_IoU': 0.0, 'foreground_IoU_image': 0.0, 'decided': 0.0}
    both = summary([perfect, nothing])
    assert both['ARI'] == both['decided'] == both['foreground_IoU'] == 0.5
    assert summary([overlap(np.zeros((2, 2), int), None)])['foreground_IoU'] is None
