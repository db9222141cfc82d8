# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rigid transforms between frames in space: (3, 4) float64, a rotation and a translation."""

from typing import Any

import numpy as np

IDENTITY = np.eye(3, 4)
IDENTITY.flags.writeable = False


def transform_from_msg(msg: Any) -> np.ndarray:
    """
    Read a geometry_msgs/Transform, whose quaternion need not be of length 1.

    :raises ValueError: for a quaternion that is no rotation, and for what is not finite.
    """
    shift = np.array([msg.translation.x, msg.translation.y, msg.translation.z])
    quaternion = np.array([msg.rotation.x, msg.rotation.y, msg.rotation.z, msg.rotation.w])
    length = np.linalg.norm(quaternion)
    if not (np.isfinite(shift).all() and np.isfinite(length) and length > 1e-6):
        raise ValueError(f'transform with translation {shift.tolist()} and quaternion '
                         f'{quaternion.tolist()} (x, y, z, w) is none')
    return np.hstack([rotation(quaternion / length), shift[:, None]])


def rotation(quaternion: np.ndarray) -> np.ndarray:
    """Return the (3, 3) matrix of a quaternion (x, y, z, w) of length 1."""
    x, y, z, w = quaternion
    axis = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * axis + 2 * axis @ axis


def apply_transform(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return points (..., 3) in the other frame; NaN stays NaN."""
    return points @ transform[:, :3].T + transform[:, 3]
