# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Saliency: its loss by hand, at both resolutions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mcn_ros.geometry import Grid
from mcn_ros.structures import IGNORE, ScalarMap
from mcn_ros.tasks.saliency import SaliencyTask

GRID = Grid(1, 2, 4)
SALIENCY = SaliencyTask(full_resolution=True)


def loss(task, logits, values):
    targets = {'values': torch.tensor(values, dtype=torch.uint8)[None, None, None]}
    return task.loss({'logits': torch.tensor(logits)[None, None, None]}, targets)[
        'cross_entropy'].item()


def test_saliency_is_learned_pixel_by_pixel():
    """Mean of sp(x) - y x over the known pixels."""
    logits, values = [2.0, -1.0, 0.5, 9.0], [1, 0, 1, IGNORE]
    by_hand = np.mean([np.log1p(np.exp(x)) - y * x for x, y in zip(logits[:3], values)])
    assert loss(SALIENCY, logits, values) == pytest.approx(by_hand, rel=1e-6)


def test_saliency_may_be_balanced():
    balanced = replace(SALIENCY, balanced=True)
    assert loss(balanced, [2.0, -1, 0, -3], [1, 0, 0, 0]) == pytest.approx(
        0.358945 / 4, abs=1e-6)


def test_saliency_at_both_resolutions():
    values = np.zeros((4, 8), np.uint8)
    values[2, 6] = 1  # where a cell looks
    for task, shape in ((SaliencyTask(), (1, 1, 2)), (SALIENCY, (1, 4, 8))):
        encoded = task.encode(ScalarMap(values), GRID)['values']
        assert encoded.shape == shape and encoded.sum() == 1
    assert SALIENCY.losses == {'cross_entropy': 5.0}
