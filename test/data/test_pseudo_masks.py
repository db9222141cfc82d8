# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Maps that are held to boxes."""

import numpy as np

from mcn_ros.data.pseudo_masks import gated_labels, MaskRule

RULE = MaskRule(evidence=0, threshold=0.6, share=0.2)


def label(logits, boxes, rows=(1,), sure=(True,), rule=RULE):
    """Return the labels of an image of 10 x 12 pixels; numbers are logits everywhere."""
    planes = np.stack([np.broadcast_to(np.float32(v), (10, 12)) for v in (0, *logits)])
    return gated_labels(planes, np.float32(boxes).reshape(-1, 4), np.array(rows, np.int64),
                        np.array(sure, bool), rule)


def test_a_class_is_only_where_it_has_a_box():
    labels = label([5, 9], [[2, 3, 6, 8], [8, 0, 12, 4]], rows=(1, 2), sure=(True, True))
    expected = np.zeros((10, 12))
    expected[3:8, 2:6] = 1
    expected[:4, 8:] = 2
    np.testing.assert_array_equal(labels, expected)


def test_where_boxes_overlap_the_likelier_class_wins():
    labels = label([5, 9], [[0, 0, 8, 10], [4, 0, 12, 10]], rows=(1, 2), sure=(True, True))
    assert (labels[:, :4] == 1).all() and (labels[:, 4:] == 2).all()


def test_doubt_is_unknown_within_boxes_only():
    labels = label([0.1], [[0, 0, 6, 10]])
    assert (labels[:, :6] == 255).all() and (labels[:, 6:] == 0).all()


def test_evidence_decides_what_the_teacher_leaves_open():
    labels = label([0.1], [[0, 0, 6, 10]], rule=MaskRule(evidence=1, threshold=0.6))
    assert (labels[:, :6] == 1).all()


def test_a_box_that_is_not_sure_makes_no_class_but_unknown_background():
    labels = label([9, 9], [[0, 0, 6, 10], [4, 0, 12, 10]], rows=(1, 2), sure=(True, False))
    assert (labels[:, :6] == 1).all() and (labels[:, 6:] == 255).all()


def test_background_is_unknown_in_a_box_whose_object_the_teacher_missed():
    seen = np.full((10, 12), -9.0)
    seen[:, 0] = 9
    labels = label([seen], [[0, 0, 10, 10]])  # a tenth of the box
    assert (labels[:, 0] == 1).all() and (labels[:, 1:10] == 255).all()
    assert (labels[:, 10:] == 0).all()
    seen[:, 1] = 9
    labels = label([seen], [[0, 0, 10, 10]])  # a fifth
    assert (labels[:, :2] == 1).all() and (labels[:, 2:] == 0).all()


def test_an_image_without_boxes_is_background():
    assert not label([], [], (), ()).any()


def test_boxes_at_the_border_and_beyond_touch_a_pixel():
    labels = label([9], [[11.9, 9.9, 30, 30]])
    assert np.argwhere(labels == 1).tolist() == [[9, 11]]
    assert (label([9], [[12, 10, 12, 10]]) == 1).sum() == 1
