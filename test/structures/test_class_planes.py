# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Planes, and the one class that a pixel has most of."""

import numpy as np
import pytest

from mcn_ros.structures import ClassPlanes, IGNORE


@pytest.mark.parametrize('planes,expected', [
    (np.array([[[0.9, 0.1, 0.5]], [[0.2, 0.3, 0.6]]], np.float32), [[1, 0, 2]]),
    (np.array([[[0, 1, 1, IGNORE]], [[1, 0, 1, 0]]], np.uint8), [[2, 1, 1, 0]])])
def test_the_likeliest_class_is_chosen(planes, expected):
    class_map = ClassPlanes(planes, np.array([True, True]), 4).class_map(0.5)
    assert class_map.labels.tolist() == expected and class_map.labels.dtype == np.uint8
    assert class_map.stride == 4 and class_map.labelled_classes.tolist() == [True, True]


def test_what_is_impossible_is_no_class_whatever_the_threshold():
    planes = ClassPlanes(np.array([[[0, 0.1, 0.2]], [[0, 0.3, 0.2]]], np.float32))
    assert planes.class_map(0.0).labels.tolist() == [[0, 2, 1]]
