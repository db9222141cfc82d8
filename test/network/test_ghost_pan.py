# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The pyramid of NanoDet-Plus: which level sees what, and how far two of them are apart."""

import pytest
import torch

from mcn_ros.network.ghost_pan import GhostModule, GhostPan

CHANNELS = (6, 8, 10)


def stages():
    return [torch.randn(1, channels, 16 // 2 ** level, 24 // 2 ** level, requires_grad=True)
            for level, channels in enumerate(CHANNELS)]


def test_every_level_sees_every_stage():
    inputs = stages()
    for values in GhostPan(CHANNELS, 8).eval()(inputs):
        assert all(gradient.any() for gradient in
                   torch.autograd.grad(values.sum(), inputs, retain_graph=True))


@pytest.mark.parametrize('leaky', [True, False])
def test_half_of_a_ghost_module_is_made_of_the_other(leaky):
    module = GhostModule(6, 8, leaky).eval()
    found = module(torch.randn(1, 6, 5, 5))
    assert torch.equal(found[:, 4:], module.cheap(found[:, :4]))
    assert any(isinstance(layer, torch.nn.LeakyReLU) for layer in module.modules()) == leaky


def test_the_distance_is_in_units_of_the_other():
    pyramid = GhostPan(CHANNELS, 8).eval()
    levels = pyramid(stages())
    assert pyramid.distance(levels, levels) == 0
    mean = [values.mean().expand_as(values) for values in levels]
    assert pyramid.distance(mean, levels).item() == pytest.approx(1, rel=0.05)
    doubled = pyramid.distance([2 * values for values in mean], [2 * values for values in levels])
    torch.testing.assert_close(doubled, pyramid.distance(mean, levels))
