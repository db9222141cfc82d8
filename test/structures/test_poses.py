# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""People and their joints."""

import numpy as np

from mcn_ros.structures import Poses


def test_joints_outside_are_absent():
    joints = np.full((1, 17, 2), [10, 10], np.float32)
    joints[0, :3] = [(-1, 5), (5, 64), (np.nan, np.nan)]
    pose = Poses(np.array([[-5, 0, 60, 64]], 'f4'), np.ones(1), joints, np.ones((1, 17), 'f4'))
    kept = pose.cut((64, 64), 0.2)
    assert np.isnan(kept.keypoints[0, :3]).all() and np.isfinite(kept.keypoints[0, 3:]).all()
    np.testing.assert_array_equal(kept.keypoint_scores[0], np.arange(17) > 2)
    assert kept.keypoints.dtype == kept.keypoint_scores.dtype == np.float32
