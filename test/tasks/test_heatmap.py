# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Drawing peaks, the focal loss of the paper, and finding peaks again."""

import math

from hypothesis import given, strategies
import numpy as np
import pytest
import torch

from mcn_ros.tasks.heatmap import (
    draw_peak, find_peaks, focal_loss, gather_cells, gaussian_radius, ignore_box, PRIOR_BIAS,
    UNKNOWN, weighted_l1)


def naive_focal_loss(logits, target):
    """Return equation 1 of "Objects as Points", cell by cell."""
    total, count = 0.0, 0
    for x, y in zip(logits.flatten().tolist(), target.flatten().tolist()):
        p = 1 / (1 + math.exp(-x))
        if y == 1:
            count += 1
            total += (1 - p) ** 2 * math.log(p)
        elif y >= 0:
            total += (1 - y) ** 4 * p ** 2 * math.log(1 - p)
    return -total / max(1, count)


def random_target(seed, shape, peaks=True):
    rng = np.random.default_rng(seed)
    target = rng.random(shape, np.float32) * 0.99
    target[rng.random(shape) < 0.2] = UNKNOWN
    target[rng.random(shape) < 0.3] = 0
    if peaks:
        target[rng.random(shape) < 0.05] = 1
    return torch.from_numpy(target)


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('peaks', [True, False])
def test_focal_loss_is_the_formula_of_the_paper(seed, peaks):
    target = random_target(seed, (2, 3, 8, 9), peaks)
    target[1, 1] = UNKNOWN  # a whole plane, too
    logits = torch.randn(target.shape, generator=torch.manual_seed(seed)) * 3
    expected = naive_focal_loss(logits, target)
    assert focal_loss(logits, target).item() == pytest.approx(expected, rel=1e-4)


def test_focal_loss_by_hand():
    # A peak and a plain background cell, both at p = 1/2: 2 * (1/2)^2 * log 2 for one peak.
    loss = focal_loss(torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 0.0]]]]))
    assert loss.item() == pytest.approx(0.5 * math.log(2))


def test_unknown_cells_have_no_gradient_and_do_not_count():
    target = random_target(0, (2, 3, 8, 9))
    logits = torch.randn(target.shape, requires_grad=True)
    loss = focal_loss(logits, target)
    gradient, = torch.autograd.grad(loss, logits)
    unknown = target == UNKNOWN
    assert unknown.any() and not gradient[unknown].any()
    assert (gradient[(target != UNKNOWN)] != 0).all()
    elsewhere = torch.where(unknown, 50.0, logits.detach())
    assert focal_loss(elsewhere, target).item() == pytest.approx(loss.item())


@pytest.mark.parametrize('scale', [0.0, 1.0, 1e4])
@pytest.mark.parametrize('fill', [UNKNOWN, 0.0, None])
def test_focal_loss_is_finite_for_any_logits_and_targets(scale, fill):
    target = random_target(1, (1, 2, 6, 6))
    if fill is not None:
        target = torch.full_like(target, fill)
    logits = (scale * torch.randn(target.shape)).requires_grad_()
    loss = focal_loss(logits, target)
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()


def test_focal_loss_falls_towards_the_target():
    target = random_target(2, (1, 1, 8, 8))
    perfect = torch.where(target == 1, 20.0, -20.0)
    losses = [focal_loss(perfect * sharpness, target).item() for sharpness in (-1, 0, 0.1, 0.5, 1)]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 1e-6


def test_focal_loss_of_half_precision_is_taken_in_float32():
    target = random_target(3, (1, 1, 8, 8))
    logits = torch.randn(1, 1, 8, 8).half()
    loss = focal_loss(logits, target)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(focal_loss(logits.float(), target).item())


def test_prior_bias_is_a_tenth():
    assert torch.sigmoid(torch.tensor(PRIOR_BIAS)).item() == pytest.approx(0.1, abs=1e-3)


def third_root(height, width, overlap=0.7):
    """Return the third of CornerNet's roots as CenterNet's code has it."""
    b, c = -2 * overlap * (height + width), (overlap - 1) * height * width
    return (b + math.sqrt(b * b - 16 * overlap * c)) / 2


@given(strategies.integers(1, 200), strategies.integers(1, 200))
def test_gaussian_radius_is_the_third_root(height, width):
    assert gaussian_radius(height, width) == int(third_root(height, width))


def test_gaussian_radius_of_the_reference():
    assert third_root(20, 20) == pytest.approx(5.47, abs=0.005) and gaussian_radius(20, 20) == 5
    assert gaussian_radius(1, 1) == 0


@given(strategies.integers(0, 11), strategies.integers(0, 8), strategies.integers(0, 15))
def test_a_peak_is_a_gaussian_cut_at_the_borders(column, row, radius):
    heatmap = np.zeros((9, 12), np.float32)
    draw_peak(heatmap, column, row, radius)
    rows, columns = np.mgrid[:9, :12]
    sigma = (2 * radius + 1) / 6
    expected = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma ** 2))
    expected[(abs(rows - row) > radius) | (abs(columns - column) > radius)] = 0
    np.testing.assert_allclose(heatmap, expected, rtol=1e-5)
    assert heatmap[row, column] == 1 and (heatmap == 1).sum() == 1


def test_overlapping_peaks_keep_the_larger_value():
    both, one, other = (np.zeros((9, 12), np.float32) for _ in range(3))
    for heatmap, cells in ((both, [(3, 4, 3), (6, 5, 2)]), (one, [(3, 4, 3)]),
                           (other, [(6, 5, 2)])):
        for column, row, radius in cells:
            draw_peak(heatmap, column, row, radius)
    np.testing.assert_array_equal(both, np.maximum(one, other))


@pytest.mark.parametrize('box, rows, columns', [
    ((1, 2, 3, 5), slice(2, 5), slice(1, 3)),
    ((1.2, 2.9, 2.1, 4.1), slice(2, 5), slice(1, 3)),
    ((-5, -5, 2, 2), slice(0, 2), slice(0, 2)),
    ((10, 7, 99, 99), slice(7, 9), slice(10, 12)),
    ((-9, -9, -2, -2), slice(0, 0), slice(0, 0)),
    ((50, 2, 60, 4), slice(0, 0), slice(0, 0))])
def test_an_ignored_box_is_every_cell_that_it_touches(box, rows, columns):
    heatmap = np.zeros((2, 9, 12), np.float32)
    ignore_box(heatmap, np.array(box, np.float32))
    expected = np.zeros_like(heatmap)
    expected[:, rows, columns] = UNKNOWN
    np.testing.assert_array_equal(heatmap, expected)


def test_a_peak_in_an_ignored_box_counts():
    heatmap = np.zeros((9, 12), np.float32)
    ignore_box(heatmap, np.array([0, 0, 12, 9]))
    draw_peak(heatmap, 4, 4, 1)
    assert heatmap[4, 4] == 1 and (heatmap == UNKNOWN).sum() == 9 * 12 - 9


def test_peaks_come_best_first_with_their_place():
    logits = torch.full((2, 3, 8, 10), -9.0)
    places = {(0, 2, 3, 4): 3.0, (0, 0, 7, 9): 2.0, (0, 2, 0, 0): 1.0, (1, 1, 5, 5): -1.0}
    for place, value in places.items():
        logits[place] = value
    scores, channels, cells = find_peaks(logits, 3)
    torch.testing.assert_close(scores[0], torch.sigmoid(torch.tensor([3.0, 2.0, 1.0])))
    assert channels[0].tolist() == [2, 0, 2] and cells[0].tolist() == [34, 79, 0]
    assert (channels[1, 0], cells[1, 0]) == (1, 55)
    assert scores[1, 0].item() == pytest.approx(1 / (1 + math.e))


def test_only_local_maxima_are_peaks():
    logits = torch.zeros(1, 1, 7, 7)
    logits[0, 0, 3, 3], logits[0, 0, 3, 4] = 5.0, 4.9  # the second is in the shadow of the first
    scores, _, cells = find_peaks(logits, 49)
    assert cells[0, 0] == 24 and 25 not in cells[0, scores[0] > 0].tolist()


@pytest.mark.parametrize('rows, columns', [(0, 2), (2, 0), (2, 2), (1, 2)])
def test_peaks_two_cells_apart_are_two(rows, columns):
    logits = torch.full((1, 1, 7, 7), -9.0)
    logits[0, 0, 2, 2], logits[0, 0, 2 + rows, 2 + columns] = 5.0, 4.0
    scores, _, cells = find_peaks(logits, 2)
    assert (scores > 0.9).all() and cells[0].tolist() == [16, 16 + 7 * rows + columns]


def test_plateaus_survive_whole():
    logits = torch.full((1, 1, 7, 7), -5.0)
    logits[0, 0, 3, 2:5] = 2.0
    scores, _, cells = find_peaks(logits, 3)
    assert sorted(cells[0].tolist()) == [23, 24, 25] and (scores > 0.5).all()


def test_no_more_peaks_than_cells():
    scores, channels, cells = find_peaks(torch.randn(2, 3, 2, 2), 100)
    assert scores.shape == channels.shape == cells.shape == (2, 12)


def test_gather_reads_row_by_row():
    values = torch.randn(2, 3, 4, 5)
    cells = torch.tensor([[0, 19, 7], [6, 6, 4]])
    gathered = gather_cells(values, cells)
    assert gathered.shape == (2, 3, 3)
    for image in range(2):
        for row, cell in enumerate(cells[image].tolist()):
            assert torch.equal(gathered[image, row], values[image, :, cell // 5, cell % 5])


def test_weighted_l1_is_the_mean_over_the_known_numbers():
    values, target = torch.randn(2, 4, 2), torch.randn(2, 4, 2)
    mask = torch.tensor([[True, False, True, False], [False, False, False, True]])[..., None]
    expected = (values - target)[mask[..., 0]].abs().mean()
    torch.testing.assert_close(weighted_l1(values, target, mask.float()), expected)
    weights = torch.rand(2, 4, 1) * mask
    error = (values - target).abs() * weights
    expected = error.sum() / (2 * weights.sum()).clamp(min=1)
    torch.testing.assert_close(weighted_l1(values, target, weights), expected)


def test_weighted_l1_knows_nothing():
    values = torch.full((1, 2, 2), torch.inf, requires_grad=True)
    loss = weighted_l1(values, torch.zeros(1, 2, 2), torch.zeros(1, 2, 1))
    loss.backward()
    assert loss == 0 and not values.grad.any()
