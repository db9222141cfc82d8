# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Gaps that are filled."""

import numpy as np

from mcn_ros.data.formats.nearest import fill_nearest


def test_gaps_take_the_nearest_label_within_reach():
    labels = np.array([[1, 0, 0, 0, 0, 0, 2, 2]])
    unknown = labels == 0
    assert fill_nearest(labels, unknown, 2).tolist() == [[1, 1, 1, 0, 2, 2, 2, 2]]
    filled = fill_nearest(labels, unknown)
    assert filled[0, [1, 2, 4, 5]].tolist() == [1, 1, 2, 2] and (filled > 0).all()
    assert (labels[unknown] == 0).all()  # what is given stays as it is
