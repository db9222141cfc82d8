# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Contours that may be annotated a little off."""

import numpy as np
import pytest
import torch

from mcn_ros.structures import IGNORE
from mcn_ros.tasks.contours import _bags, bag_loss, contour_loss, encode_contours

ROW = [-2.0, -2, 1, -2, -2, -2, -2]


def targets(values):
    """Return the targets of an image of one class."""
    encoded = encode_contours(np.array(values, np.uint8)[None], 'instances')
    return {name: value[None] for name, value in encoded.items()}


def row_loss(logits, values, across=0):
    """Return the loss of one row of an image, with weights 1."""
    logits = torch.tensor(logits)[None, None, None].requires_grad_()
    values = torch.tensor(values, dtype=torch.uint8)[None, None, None]
    loss = bag_loss(logits, values, torch.full((1, *values.shape[2:]), across), 1.0, 1.0)
    loss.backward()
    return loss.item(), logits.grad.flatten().tolist()


def test_a_bag_is_judged_by_its_most_likely_pixel():
    """A vertical contour at 3: the bag is 1 to 5, its maximum 1; 0 and 6 are in none."""
    loss, gradient = row_loss(ROW, [0, 0, 0, 1, 0, 0, 0])
    assert loss == pytest.approx(0.567118, abs=1e-6)
    assert loss == pytest.approx(0.313262 + 0.253856, abs=1e-6)
    assert [bool(each) for each in gradient] == [True, False, True, False, False, False, True]
    assert gradient[2] < 0 < gradient[0]
    # One pixel at a time it would be another.
    plain = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(ROW), torch.tensor([0., 0, 0, 1, 0, 0, 0]), reduction='sum')
    assert plain.item() == pytest.approx(4.074830, abs=1e-6)


def test_of_equal_pixels_one_is_taught():
    _, gradient = row_loss([0.0] * 7, [0, 0, 0, 1, 0, 0, 0])
    assert sum(each < 0 for each in gradient) == 1


def test_the_longer_side_of_a_bag_is_across():
    """Along a horizontal contour, two pixels further are no longer in the bag."""
    loss, _ = row_loss(ROW, [0, 0, 0, 1, 0, 0, 0], across=4)
    assert loss == pytest.approx(0.313262 + 4 * 0.126928, abs=1e-5)


def test_bags_are_rectangles_of_fifteen_pixels():
    bags = [set(map(tuple, bag)) for bag in _bags().tolist()]
    assert bags[0] == {(x, y) for x in range(-2, 3) for y in range(-1, 2)}
    assert bags[4] == {(y, x) for x, y in bags[0]}
    assert bags[2] == {(y, x) for x, y in bags[2]} and (2, 2) in bags[2] and (2, -2) not in bags[2]
    for bag in bags:
        assert len(bag) == 15 and bag == {(-x, -y) for x, y in bag}
    for number in range(8):  # a quarter of a turn
        assert bags[(number + 4) % 8] == {(-y, x) for x, y in bags[number]}
    assert len({frozenset(bag) for bag in bags}) == 8


def test_unknown_pixels_and_the_border_cost_nothing():
    known, _ = row_loss([3.0, -2, -2], [1, 0, 0])
    unknown, gradient = row_loss([3.0, -2, -2, 5, 5], [1, 0, 0, IGNORE, IGNORE])
    assert unknown == pytest.approx(known) and not any(gradient[3:])
    assert row_loss([0.0, 0], [IGNORE, IGNORE])[0] == 0


@pytest.mark.parametrize('degrees, expected', [(0, 0), (45, 2), (90, 4), (135, 6), (22.5, 1)])
def test_the_direction_across_a_contour(degrees, expected):
    rows, columns = np.indices((40, 40)) - 19.5
    angle = np.radians(degrees)
    side = columns * np.cos(angle) + rows * np.sin(angle) > 0
    contour = side ^ np.roll(side, -1, axis=1) | side ^ np.roll(side, -1, axis=0)
    contour[:, -1] = contour[-1] = False
    found = targets(contour)['across'][0].numpy()
    middle = np.zeros_like(contour)
    middle[12:28, 12:28] = True
    bins, counts = np.unique(found[contour & middle], return_counts=True)
    assert bins[counts.argmax()] == expected and counts.max() > 0.8 * counts.sum()


def test_a_displaced_answer_is_as_good_with_bags_and_is_not_without():
    contour = np.zeros((24, 24), np.uint8)
    contour[:, 12] = 1
    for criterion, equal in (('instances', True), ('fixed', False), ('balanced', False)):
        losses = []
        for column in (12, 14):
            logits = torch.full((1, 1, 24, 24), -8.0)
            logits[..., column] = 8
            losses.append(contour_loss(logits, targets(contour), criterion, 0.95).item())
        assert (losses[1] < 1.01 * losses[0] + 1e-6) == equal, criterion


def test_classes_have_bags_of_their_own():
    planes = np.zeros((2, 9, 9), np.uint8)
    planes[0, :, 2], planes[1, :, 6] = 1, 1
    encoded = {name: value[None] for name, value in
               encode_contours(planes, 'instances').items()}
    logits = torch.full((1, 2, 9, 9), -8.0)
    logits[0, 0, :, 2], logits[0, 1, :, 6] = 8, 8
    good = contour_loss(logits, encoded, 'instances', 0.95)
    assert good < 0.01 < contour_loss(logits.flip(1), encoded, 'instances', 0.95)
