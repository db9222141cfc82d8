# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rigid transforms."""

import math
from types import SimpleNamespace as Message

import numpy as np
import pytest

from mcn_ros.spatial.transform import apply_transform, transform_from_msg


def message(translation, quaternion):
    return Message(translation=Message(**dict(zip('xyz', translation))),
                   rotation=Message(**dict(zip('xyzw', quaternion))))


def test_a_quarter_turn_about_z():
    half = math.sqrt(0.5)
    for length in (1, 3):  # a quaternion need not be of length 1
        transform = transform_from_msg(message((1, 2, 3), (0, 0, half * length, half * length)))
        np.testing.assert_allclose(apply_transform(transform, np.array([[1.0, 0, 0]])),
                                   [[1, 3, 3]], atol=1e-12)


def test_the_optical_frame_in_the_body_of_a_camera():
    # The rotation that drivers publish: forward is x, and up is z.
    transform = transform_from_msg(message((0, 0, 0), (-0.5, 0.5, -0.5, 0.5)))
    np.testing.assert_allclose(apply_transform(transform, np.array([0.1, 0.2, 3.0])),
                               [3, -0.1, -0.2], atol=1e-12)


def test_a_rotation_keeps_lengths_and_hands():
    quaternion = np.random.default_rng(0).normal(size=4)
    matrix = transform_from_msg(message((0, 0, 0), quaternion))[:, :3]
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) > 0


@pytest.mark.parametrize('translation, quaternion', [
    ((0, 0, 0), (0, 0, 0, 0)), ((0, 0, 0), (np.nan, 0, 0, 1)), ((np.inf, 0, 0), (0, 0, 0, 1))])
def test_what_is_no_transform_is_refused(translation, quaternion):
    with pytest.raises(ValueError, match='is none'):
        transform_from_msg(message(translation, quaternion))
