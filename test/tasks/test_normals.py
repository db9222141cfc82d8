# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Normals: losses by hand, mirrors and the mean of views."""

import numpy as np
import pytest
import torch

from mcn_ros.geometry import Grid
from mcn_ros.structures import select, to_numpy, VectorMap
from mcn_ros.tasks.normals import NormalsTask

GRID = Grid(2, 3, 4)
FACING = 0.0, 0.0, -1.0


def loss(vector, criterion):
    """Return the loss of one vector where the surface faces the camera."""
    outputs = {'vectors': torch.tensor(vector)[None, :, None, None]}
    targets = {'normals': torch.tensor(FACING)[None, :, None, None],
               'known': torch.ones(1, 1, 1, dtype=torch.bool)}
    return NormalsTask(criterion=criterion).loss(outputs, targets)['direction'].item()


@pytest.mark.parametrize('vector, l1, cosine', [
    ((3.0, 0.0, 0.0), 2 / 3, 1), ((1.0, 0.0, -1.0), 1 / 3, 0.292893), ((0.0, 0.0, -0.1), 0, 0),
    ((0.0, 0.0, 2.0), 2 / 3, 2)])
def test_losses_by_hand(vector, l1, cosine):
    assert loss(vector, 'l1') == pytest.approx(l1, abs=1e-6)
    assert loss(vector, 'cosine') == pytest.approx(cosine, abs=1e-6)


def test_l1_does_not_always_grow_with_the_angle_and_cosine_does():
    angles = np.radians([45, 90, 135, 180])
    vectors = [(float(np.sin(each)), 0.0, float(-np.cos(each))) for each in angles]
    l1 = [3 * loss(vector, 'l1') for vector in vectors]
    assert l1 == pytest.approx([1.0, 2.0, 2.414214, 2.0], abs=1e-5)
    cosine = [loss(vector, 'cosine') for vector in vectors]
    assert cosine == sorted(cosine)


@pytest.mark.parametrize('full_resolution', [False, True])
def test_a_cell_has_the_vector_of_a_pixel_not_a_mean(full_resolution):
    vectors = np.full((8, 12, 3), np.nan, np.float32)
    vectors[2, 6], vectors[1, 1] = (0.6, 0, -0.8), FACING
    task = NormalsTask(full_resolution=full_resolution)
    targets = task.encode(VectorMap(vectors), GRID)
    if full_resolution:
        known = ~np.isnan(vectors[..., 0])
        np.testing.assert_array_equal(targets['known'].numpy(), known)
        assert targets['normals'].shape == (3, 8, 12)
    else:
        assert targets['known'].tolist() == [[False, True, False], [False] * 3]
        assert targets['normals'][:, 0, 1].tolist() == pytest.approx([0.6, 0, -0.8])
    assert targets['normals'].isfinite().all()


def test_a_mirror_turns_right_to_left():
    outputs = {'vectors': torch.tensor([[0.6, 0.0], [0.0, 0.6], [-0.8, -0.8]])[None, :, None]}
    found = to_numpy(select(NormalsTask().decode(NormalsTask().mirror(outputs)), 0)).vectors[0]
    np.testing.assert_allclose(found, [[0, 0.6, -0.8], [-0.6, 0, -0.8]], atol=1e-6)


def test_views_count_the_same_however_long_their_vectors_are():
    task = NormalsTask()
    one = {'vectors': 100 * torch.tensor([0.6, 0.0, -0.8])[None, :, None, None]}
    other = {'vectors': torch.tensor([-0.6, 0.0, -0.8])[None, :, None, None]}
    found = task.decode(task.mean(one, other)).vectors.flatten().tolist()
    assert found == pytest.approx([0, 0, -1], abs=1e-6)


def test_another_network_teaches_directions_only():
    task, generator = NormalsTask(), torch.manual_seed(0)
    one, other = torch.randn(2, 2, 3, 4, 5, generator=generator)
    assert task.distance({'vectors': one}, {'vectors': 7 * one}).item() == pytest.approx(
        0, abs=1e-6)
    assert task.distance({'vectors': one}, {'vectors': other}) > 0.1


def test_an_unknown_criterion_is_named():
    with pytest.raises(ValueError, match=r"^normals.criterion: 'l2' is not one of cosine, l1$"):
        NormalsTask(criterion='l2')
