# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The pyramid: what comes from where, and weights of a trained detector."""

from pathlib import Path

import pytest
import torch

from mcn_ros.network.backbones.pretrained import load_neck
from mcn_ros.network.necks import NECKS
from mcn_ros.network.pyramid import LEVELS, PathAggregation

NANODET = Path(__file__).parents[3] / 'shared/data/weights/nanodet_m.pth'
CHANNELS = (6, 8, 10)


def stages(fill=torch.randn):
    return [fill(1, channels, 32 // 2 ** level, 48 // 2 ** level)
            for level, channels in enumerate(CHANNELS)]


def public_state(pyramid):
    """Return the state under the names of a NanoDet-m checkpoint."""
    names = {own: public for public, own in pyramid.public_names.items() if own is not None}
    state = {}
    for name, value in pyramid.state_dict().items():
        own, = (own for own in names if name.startswith(f'{own}.'))
        state[names[own] + name.removeprefix(own)] = value
    return state


def test_sizes_are_kept():
    found = PathAggregation(CHANNELS, 16)(stages())
    assert [values.shape for values in found] == [
        (1, 16, 32, 48), (1, 16, 16, 24), (1, 16, 8, 12)]


def test_every_level_sees_every_stage():
    pyramid, inputs = PathAggregation(CHANNELS, 16).eval(), stages()
    for stage in inputs:
        stage.requires_grad_()
    for values in pyramid(inputs):
        found = torch.autograd.grad(values.sum(), inputs, retain_graph=True)
        assert all(gradient.any() for gradient in found)


def test_sums_go_down_and_up_again():
    pyramid = PathAggregation((1, 1, 1), 1).eval()
    for layer in pyramid.lateral:
        torch.nn.init.ones_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    pyramid.towers = torch.nn.ModuleList(torch.nn.Identity() for _ in range(LEVELS))
    # Down: 4, 2 + 4, 1 + 6; up: 7, 6 + 7, 4 + 13.
    values = pyramid([torch.full((1, 1, 32 // 2 ** level, 32 // 2 ** level), 2.0 ** level)
                      for level in range(LEVELS)])
    assert [set(level.unique().tolist()) for level in values] == [{7.0}, {13.0}, {17.0}]


def test_public_weights_arrive_where_they_belong(tmp_path):
    saved, loaded = (NECKS['path_aggregation']((4, *CHANNELS), (4, 8, 16, 32), 16, False)
                     for _ in range(2))
    for value in saved.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    kept = {name: value.clone() for name, value in loaded.top_down.state_dict().items()}
    state = public_state(saved.pyramid) | {'backbone.conv1.0.weight': torch.zeros(1),
                                           'head.gfl_cls.0.weight': torch.zeros(1)}
    torch.save({'state_dict': state}, tmp_path / 'w.pth')
    load_neck(loaded, tmp_path / 'w.pth')
    for name, value in saved.pyramid.state_dict().items():
        assert torch.equal(loaded.pyramid.state_dict()[name], value), name
    assert all(torch.equal(loaded.top_down.state_dict()[name], kept[name]) for name in kept)


def test_other_necks_have_no_public_weights(tmp_path):
    with pytest.raises(ValueError, match='only path_aggregation has pretrained weights'):
        load_neck(NECKS['top_down']((4, *CHANNELS), (4, 8, 16, 32), 16, False), 'w.pth')


@pytest.mark.skipif(not NANODET.exists(), reason='no pretrained detector in ../shared')
def test_a_trained_detector_fits():
    neck = NECKS['path_aggregation']((24, 116, 232, 464), (4, 8, 16, 32), 64, False)
    before = [value.clone() for value in neck.pyramid.state_dict().values()]
    load_neck(neck, NANODET)
    after = neck.pyramid.state_dict()
    assert all(not torch.equal(value, old) for (name, value), old in zip(after.items(), before)
               if 'num_batches' not in name)
