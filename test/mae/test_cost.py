# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is told of the cost is what is done."""

import pytest
import torch
from torch.nn.attention import sdpa_kernel, SDPBackend
from torch.utils.flop_counter import FlopCounterMode

from mcn_ros.mae.cost import multiply_adds, passes, relation_cost
from mcn_ros.mae.model import MaskedAutoencoder, SIZES
from mcn_ros.mae.relations import relate, RelationConfig
from mcn_ros.mae.windows import relate_windows


@pytest.fixture(scope='module')
def toy():
    torch.manual_seed(0)
    return MaskedAutoencoder(SIZES['toy']).eval()


@pytest.mark.parametrize('estimator', ['few_in', 'one_in', 'one_out'])
def test_multiply_adds_are_those_of_the_network(toy, estimator):
    config, image = RelationConfig(estimator, masks=2), torch.zeros(1, 3, 48, 48)
    # The counter sees what attention multiplies where it is written out only.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        relate(toy, image, config)
    _, told = relation_cost(toy, (6, 6), 6, config)
    assert counter.get_total_flops() / 2 == pytest.approx(told, rel=0.05)


def test_windows_count(toy, monkeypatch):
    config, done = RelationConfig('one_in'), []
    errors = toy.errors
    monkeypatch.setattr(toy, 'errors', lambda image, keep: done.append(len(keep))
                        or errors(image, keep))
    relate_windows(toy, torch.zeros(1, 3, 32, 48), 4, config)
    assert relation_cost(toy, (4, 6), 4, config) == (sum(done), sum(done) * multiply_adds(
        toy, 1, 16))
    assert passes(RelationConfig(masks=20, visible=0.08), 36) == [(720, 2)]
