# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Heads on all stages of a backbone: the sums by hand, their start and their sizes."""

import pytest
import torch
from torch.nn import functional

from mcn_ros.network.features import MapShape, single, stage_of
from mcn_ros.network.skip_head import SkipHead

CHANNELS = {1: 5, 2: 6, 3: 7}
STRIDES = {1: 4, 2: 8, 3: 8}  # two of the same, as with an output stride
SCALES = 1, 2
SHAPES = {stage_of(number, scale): MapShape(CHANNELS[number], STRIDES[number] * scale)
          for scale in SCALES for number in CHANNELS}
SIZE = 32, 48  # of the image


def features(seed=0):
    generator = torch.manual_seed(seed)
    return {name: torch.randn(2, shape.channels, *(side // shape.stride for side in SIZE),
                              generator=generator) for name, shape in SHAPES.items()}


def head(channels=3, bias=0.0):
    torch.manual_seed(0)
    return SkipHead(SHAPES, 'logits', channels, bias)


def enlarged(values, shape):
    return functional.interpolate(values, shape, mode='bilinear', align_corners=False)


def test_a_map_is_the_sum_of_scales_that_are_sums_of_stages():
    net, maps = head(), features()
    with torch.no_grad():
        for values in (net.stage_weights, net.scale_weights):
            values.copy_(torch.randn(values.shape))
        found = net(maps)
    expected = 0
    for column, scale in enumerate(SCALES):
        total, finest = 0, tuple(side // (4 * scale) for side in SIZE)
        for row, (number, score) in enumerate(net.scores.items()):
            values = torch.einsum('bchw,kc->bkhw', maps[stage_of(int(number), scale)],
                                  score.weight[:, :, 0, 0]) + score.bias[:, None, None]
            total = total + net.stage_weights[:, row, None, None] * enlarged(values, finest)
        total = enlarged(total, (8, 12))
        torch.testing.assert_close(found[f'logits_{scale}'], total)
        expected = expected + net.scale_weights[:, column, None, None] * total
    torch.testing.assert_close(found['logits'], expected)


def test_the_sums_of_scales_are_for_training_only():
    net, maps = head(), features()
    trained = net(maps)
    assert list(trained) == ['logits', 'logits_1', 'logits_2']
    found = net.eval()(maps)
    assert list(found) == ['logits'] and torch.equal(found['logits'], trained['logits'])


def test_it_starts_as_a_mean_of_nearly_nothing():
    net = head(300, bias=-2.19)
    assert torch.all(net.stage_weights == 1 / 3) and torch.all(net.scale_weights == 1 / 2)
    for score in net.scores.values():
        assert score.weight.std().item() == pytest.approx(0.01, rel=0.1)
    logits = net({name: torch.zeros_like(values) for name, values in features().items()})
    for values in logits.values():
        torch.testing.assert_close(values, torch.full_like(values, -2.19))


def test_of_every_channel_of_a_map_there_is_a_row():
    """So that heads with other classes can begin with those that they have in common."""
    assert all(len(values) == 11 for values in head(11).state_dict().values())


def test_features_without_stages_are_refused():
    with pytest.raises(ValueError, match='no maps of stages .the trunk has features'):
        SkipHead(single(8), 'logits', 1)
