# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Losses of yes, no and unknown, against sums by hand."""

import numpy as np
import pytest
import torch

from mcn_ros.structures import IGNORE
from mcn_ros.tasks.binary import balance, cells, cross_entropy, divergence, known_pixels

LOGITS = torch.tensor([2.0, -1, 0, -3])[None, None, None]
VALUES = torch.tensor([1, 0, 0, 0], dtype=torch.uint8)[None, None, None]


def test_cross_entropy_is_a_sum_over_known_pixels():
    plain = torch.nn.functional.binary_cross_entropy_with_logits(
        LOGITS, VALUES.float(), reduction='sum')
    torch.testing.assert_close(cross_entropy(LOGITS, VALUES), plain)
    more = torch.cat([LOGITS, torch.full_like(LOGITS, 7)], dim=3)
    unknown = torch.cat([VALUES, torch.full_like(VALUES, IGNORE)], dim=3)
    torch.testing.assert_close(cross_entropy(more, unknown), plain)


def test_balanced_cross_entropy_is_that_of_hed():
    """HED: .75 sp(-2) + .25 (sp(-1) + sp(0) + sp(-3)), with sp(x) = log(1 + exp(x))."""
    weight = balance(VALUES)
    assert weight.item() == 0.75
    found = cross_entropy(LOGITS, VALUES, weight, 1 - weight).item()
    assert found == pytest.approx(0.358945, abs=1e-6)
    assert found == pytest.approx(0.75 * 0.126928 + 0.25 * 1.054996, abs=1e-6)


def test_the_balance_is_of_each_image_and_of_its_known_pixels():
    values = torch.tensor([[[[1, 0, 0, 0]]], [[[1, 1, 0, IGNORE]]], [[[0, 0, 0, 0]]],
                           [[[IGNORE] * 4]]], dtype=torch.uint8)
    assert balance(values).flatten().tolist() == pytest.approx([3 / 4, 1 / 3, 1, 0])


def test_the_balance_is_one_for_all_classes():
    """Two of four pixels are of no class; a class without any still costs something."""
    values = torch.tensor([[[[1, 0, 0, 0]], [[0, 1, 0, 0]], [[0, 0, 0, 0]]]], dtype=torch.uint8)
    weight = balance(values)
    assert weight.item() == 0.5
    logits = torch.zeros(1, 3, 1, 4, requires_grad=True)
    cross_entropy(logits, values, weight, 1 - weight).backward()
    assert (logits.grad[0, 2] > 0).all()


def test_a_pixel_is_known_if_any_class_is():
    values = torch.tensor([[[[1, IGNORE, 0]], [[IGNORE, IGNORE, 1]]]], dtype=torch.uint8)
    assert known_pixels(values).item() == 2


def test_lines_survive_in_cells():
    values = np.zeros((1, 8, 12), np.uint8)
    values[0, 3, 5] = 1
    values[0, 7, 11] = IGNORE
    values[0, 0, 4] = IGNORE  # in the cell of the line
    assert cells(values, 4).tolist() == [[[0, 1, 0], [0, 0, IGNORE]]]
    assert cells(values, 1) is not None and (cells(values, 1) == values).all()


def test_the_divergence_is_least_for_the_same():
    generator = torch.manual_seed(0)
    one, other = torch.randn(2, 2, 3, 4, 5, generator=generator)
    assert divergence(one, one).item() == pytest.approx(0, abs=1e-6)
    assert divergence(one, other) > 0.1
    p, q = other.sigmoid(), one.sigmoid()
    by_hand = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    torch.testing.assert_close(divergence(one, other), by_hand.sum(1).mean())
