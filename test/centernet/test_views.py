# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What CenterNet's code makes of what is found, beside what the package does."""

import numpy as np

from mcn_ros.centernet.views import CenterNetViews
from mcn_ros.runtime.views import Views
from mcn_ros.structures import Instances

BOXES = np.float32([[-20, -10, 50, 70], [-19, -10, 50, 70], [30, 30, 40, 45]])
FOUND = Instances(BOXES, np.zeros(3, np.int64), np.float32([0.9, 0.004, 0.5]))


def test_boxes_may_reach_beyond_the_image():
    np.testing.assert_array_equal(CenterNetViews().finish(FOUND, (64, 48)).boxes, BOXES)
    assert Views().finish(FOUND, (64, 48)).boxes[0].tolist() == [0, 0, 48, 64]


def test_leftovers_count_as_objects():
    found = [{'detection': FOUND}, {'detection': FOUND}]
    for views, times in ((Views(), 1), (CenterNetViews(), 2)):
        boxes = views.merge(found)['detection'].boxes
        assert (boxes == BOXES[2]).all(axis=1).sum() == times
