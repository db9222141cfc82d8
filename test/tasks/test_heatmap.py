# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Drawing peaks, the focal loss of the paper, and finding peaks again."""

import math

from hypothesis import given, strategies
import numpy as np
import pytest
import torch

from mcn_ros.data.batch import stack
from mcn_ros.tasks.heatmap import (
    _focal_loss, ALL, count_peaks, draw_heatmap, encode_heatmap, find_peaks, focal_loss,
    gather_cells, gaussian_radii, PRIOR_BIAS, UNKNOWN, weighted_l1)

SIZE = 9, 12  # of a heatmap


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
    for loss in (focal_loss, _focal_loss):  # on the CPU, and on other devices
        assert loss(logits, target).item() == pytest.approx(expected, rel=1e-4)


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
    found = gaussian_radii(np.array([[width, height]]))
    assert found.tolist() == [int(third_root(height, width))]


def test_gaussian_radius_of_the_reference():
    assert third_root(20, 20) == pytest.approx(5.47, abs=0.005)
    assert gaussian_radii(np.array([[20, 20], [1, 1]])).tolist() == [5, 0]
    assert gaussian_radii(np.zeros((0, 2))).shape == (0,)


def draw_by_hand(peaks, unknown, labelled):
    """Draw a heatmap peak by peak, as it was once done for each image with NumPy."""
    heatmap = np.zeros((len(labelled), *SIZE), np.float32)
    for channel, *box in unknown:
        left, top, right, bottom = np.maximum([*np.floor(box[:2]), *np.ceil(box[2:])], 0)
        heatmap[slice(None) if channel == ALL else int(channel),
                int(top):int(bottom), int(left):int(right)] = UNKNOWN
    for channel, column, row, radius in peaks:
        sigma = (2 * radius + 1) / 6
        rows = np.arange(max(0, row - radius), min(SIZE[0], row + radius + 1))
        columns = np.arange(max(0, column - radius), min(SIZE[1], column + radius + 1))
        squares = (rows[:, None] - row) ** 2 + (columns[None] - column) ** 2
        region = heatmap[channel, rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
        np.maximum(region, np.exp(-squares / (2 * sigma * sigma)), out=region)
    heatmap[~labelled] = UNKNOWN
    return heatmap


def describe(peaks=(), unknown=(), labelled=(True, True, True)):
    return (np.array(peaks, np.int64).reshape(-1, 4), np.array(unknown, float).reshape(-1, 5),
            np.array(labelled))


def drawn(*images):
    return draw_heatmap(stack([encode_heatmap('map', *image, SIZE) for image in images]), 'map',
                        SIZE)


def random_image(rng):
    """Return many peaks, some of them in one cell, and boxes that reach out of the map."""
    count = rng.integers(0, 30)
    peaks = np.column_stack([rng.integers(0, high, count) for high in (3, SIZE[1], SIZE[0], 15)])
    boxes = rng.uniform(-5, 15, (rng.integers(0, 4), 4))
    return describe(np.concatenate([peaks, peaks[:count // 4] + [0, 0, 0, 1]]), np.column_stack(
        [rng.integers(ALL, 3, len(boxes)), np.minimum(boxes[:, :2], boxes[:, 2:]),
         np.maximum(boxes[:, :2], boxes[:, 2:])]), rng.random(3) < 0.8)


@pytest.mark.parametrize('seed', range(30))
def test_heatmaps_of_a_batch_are_to_the_bit_those_drawn_by_hand(seed):
    rng = np.random.default_rng(seed)
    images = [random_image(rng) for _ in range(4)]
    np.testing.assert_array_equal(drawn(*images), [draw_by_hand(*image) for image in images])


def test_a_batch_without_peaks_is_empty():
    assert not drawn(describe(), describe()).any()


@given(strategies.integers(0, 11), strategies.integers(0, 8), strategies.integers(0, 15))
def test_a_peak_is_a_gaussian_cut_at_the_borders(column, row, radius):
    heatmap = drawn(describe([[1, column, row, radius]]))[0, 1].numpy()
    rows, columns = np.mgrid[:9, :12]
    sigma = (2 * radius + 1) / 6
    expected = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma ** 2))
    expected[(abs(rows - row) > radius) | (abs(columns - column) > radius)] = 0
    np.testing.assert_allclose(heatmap, expected, rtol=1e-5)
    assert heatmap[row, column] == 1 and (heatmap == 1).sum() == 1


def test_overlapping_peaks_keep_the_larger_value():
    one, other = [0, 3, 4, 3], [0, 6, 5, 2]
    both, first, second = drawn(describe([one, other]), describe([one]), describe([other]))
    torch.testing.assert_close(both, torch.maximum(first, second), rtol=0, atol=0)


def test_peaks_are_counted_once_a_cell():
    targets = stack([encode_heatmap('map', *describe(peaks, labelled=[True, True, False]), SIZE)
                     for peaks in ([[0, 3, 4, 3], [0, 3, 4, 5], [1, 3, 4, 5], [2, 1, 1, 1]], [])])
    assert count_peaks(targets, 'map') == (draw_heatmap(targets, 'map', SIZE) == 1).sum() == 2


@pytest.mark.parametrize('box, rows, columns', [
    ((1, 2, 3, 5), slice(2, 5), slice(1, 3)),
    ((1.2, 2.9, 2.1, 4.1), slice(2, 5), slice(1, 3)),
    ((-5, -5, 2, 2), slice(0, 2), slice(0, 2)),
    ((10, 7, 99, 99), slice(7, 9), slice(10, 12)),
    ((-9, -9, -2, -2), slice(0, 0), slice(0, 0)),
    ((50, 2, 60, 4), slice(0, 0), slice(0, 0))])
def test_an_unknown_box_is_every_cell_that_it_touches(box, rows, columns):
    everywhere, somewhere = drawn(describe(unknown=[(ALL, *box)]), describe(unknown=[(1, *box)]))
    expected = torch.zeros(3, *SIZE)
    expected[:, rows, columns] = UNKNOWN
    assert torch.equal(everywhere, expected)
    expected[[0, 2]] = 0
    assert torch.equal(somewhere, expected)


def test_a_peak_in_an_unknown_box_counts():
    heatmap = drawn(describe([[0, 4, 4, 1]], [[0, 0, 0, 12, 9]]))[0, 0]
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
