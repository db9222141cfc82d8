# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Directions turn with the camera."""

from hypothesis import given, strategies
import numpy as np
import pytest

from mcn_ros.geometry import crop, scaling
from mcn_ros.structures import VectorMap


def constant(vector, size=(10, 10)):
    return VectorMap(np.broadcast_to(np.float32(vector), (*size, 3)).copy())


@pytest.mark.parametrize('affine,expected', [
    (crop((5, 5), 1, (10, 10), flip=True), (-0.6, 0, -0.8)),
    (crop((5, 5), 1, (10, 10), degrees=90), (0, 0.6, -0.8)),
    (crop((5, 5), 3, (10, 10)), (0.6, 0, -0.8))])
def test_known_values(affine, expected):
    warped = constant((0.6, 0, -0.8)).warp(affine, (10, 10)).vectors
    np.testing.assert_allclose(warped[3:7, 3:7], np.broadcast_to(expected, (4, 4, 3)), atol=1e-6)


@given(strategies.floats(0.5, 10), strategies.floats(-180, 180), strategies.booleans())
def test_vectors_keep_their_length_and_their_depth(factor, degrees, flip):
    vectors = np.random.default_rng(0).normal(size=(10, 10, 3))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    vectors[..., 2] = -0.5
    vectors[..., :2] *= np.sqrt(0.75) / np.linalg.norm(vectors[..., :2], axis=2, keepdims=True)
    affine = crop((5, 5), factor, (20, 20), degrees, flip)
    warped = VectorMap(vectors.astype(np.float32)).warp(affine, (20, 20)).vectors
    known = warped[np.isfinite(warped).all(axis=2)]
    np.testing.assert_allclose(np.linalg.norm(known, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(known[:, 2], np.float32(-0.5))
    assert len(known)


def test_the_unknown_stays_unknown_and_the_known_known():
    one = constant((0, 0, -1))
    one.vectors[2, 3] = np.nan
    warped = one.warp(scaling(2), (20, 20)).vectors
    assert np.argwhere(np.isnan(warped[..., 0])).tolist() == [[4, 6], [4, 7], [5, 6], [5, 7]]


def test_an_image_cannot_be_stretched():
    with pytest.raises(ValueError, match='stretches'):
        constant((0, 0, -1)).warp(np.array([[2.0, 0, 0], [0, 1.0, 0]]), (10, 20))
