# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The likeliest cells in windows, against a plain search of the whole map."""

import numpy as np
import pytest
import torch

from mcn_ros.tasks.window import BLOCK, BLOCKS, likeliest_cells

NOTHING = torch.zeros(1, 2)


def values_of(logits, points, extent, free):
    """Return (B, K, J, H, W) float64: the logarithms of sigmoids times windows."""
    rows, columns = (np.arange(side) + 0.5 for side in logits.shape[2:])
    x, y = np.moveaxis(points.numpy().astype(float)[..., None, None], 3, 0)
    squares = (columns - x) ** 2 + (rows[:, None] - y) ** 2
    window = np.maximum(squares - free.numpy()[..., None, None, None], 0)
    evidence = -np.logaddexp(0, -logits.numpy().astype(float))
    return evidence[:, None] - window / extent.numpy()[..., None, None, None]


def assert_likeliest(logits, points, extent, free):
    found, there = likeliest_cells(logits, points, extent, free)
    assert found.dtype == torch.int64 and found.shape == points.shape[:3]
    assert torch.equal(there, logits.flatten(2).gather(2, found.transpose(1, 2)).transpose(1, 2))
    values = values_of(logits, points, extent, free).reshape(*found.shape, -1)
    reached = np.take_along_axis(values, found.numpy()[..., None], 3)[..., 0]
    # Where float32 cannot tell two cells apart, either will do.
    np.testing.assert_allclose(reached, values.max(axis=3), rtol=1e-5, atol=1e-4)


def heatmaps(generator, batch=2, joints=3, height=64, width=96):
    """Return logits with peaks of several widths on noise."""
    logits = torch.randn(batch, joints, height // 4, width // 4, generator=generator)
    logits = torch.nn.functional.interpolate(3 * logits, (height, width), mode='bilinear') - 4
    return logits + 0.1 * torch.randn(logits.shape, generator=generator)


@pytest.mark.parametrize('side', [2.0, 8.0, 30.0, 90.0])
def test_they_are_those_of_the_whole_map(side):
    generator = torch.manual_seed(0)
    points = torch.rand(2, 5, 3, 2, generator=generator) * torch.tensor([100.0, 70.0]) - 3
    extent = torch.full((2, 5), 0.04 * side ** 2)
    assert_likeliest(heatmaps(generator), points, extent, 0 * extent)


def test_each_window_has_its_own_extent_and_map():
    logits = torch.full((1, 2, 16, 24), -9.0)
    logits[0, 0, 3, 20] = logits[0, 1, 12, 5] = 5.0
    points = torch.tensor([[[[16.5, 3.5]] * 2, [[16.5, 3.5]] * 2]])
    found, _ = likeliest_cells(logits, points, torch.tensor([[0.1, 1000.0]]), NOTHING)
    assert found.tolist() == [[[3 * 24 + 16] * 2, [3 * 24 + 20, 12 * 24 + 5]]]


def test_discs_have_a_sharp_border():
    generator = torch.manual_seed(0)
    logits = heatmaps(generator, joints=1)
    points = torch.rand(2, 6, 1, 2, generator=generator) * torch.tensor([96.0, 64.0])
    radii = torch.tensor([[0.75, 1.0, 2.5, 4.0, 7.0, 11.0]] * 2)
    cells, _ = likeliest_cells(logits, points, torch.full((2, 6), 1e-3), radii ** 2)
    found = cells[..., 0]
    middles = torch.stack([found % 96, found // 96], dim=2) + 0.5
    assert ((middles - points[:, :, 0]).norm(dim=2) <= radii + 1e-3).all()
    assert_likeliest(logits, points, torch.full((2, 6), 1e-3), radii ** 2)


def test_windows_beside_the_map_take_what_is_nearest():
    logits = torch.full((1, 1, 16, 24), -5.0)
    points = torch.tensor([[[[-50.0, 7.6]], [[1000.0, -80.0]]]])
    found, _ = likeliest_cells(logits, points, torch.full((1, 2), 0.5), NOTHING)
    assert found.flatten().tolist() == [7 * 24, 23]


def test_no_logit_is_too_unlikely():
    logits = torch.full((1, 1, 16, 16), -1e4)
    logits[0, 0, 9, 9] = -5e3
    found, _ = likeliest_cells(logits, torch.full((1, 1, 1, 2), 2.0), torch.full((1, 1), 1.0),
                               torch.zeros(1, 1))
    assert found.item() == 9 * 16 + 9


def test_small_maps_have_few_blocks():
    assert BLOCK == 8 and BLOCKS > 1
    points = 8 * torch.rand(1, 2, 2, 2)
    assert_likeliest(torch.randn(1, 2, 8, 8), points, torch.ones(1, 2), NOTHING)
