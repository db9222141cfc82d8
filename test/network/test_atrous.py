# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Stages at a finer resolution: what was computed before is computed still, to the digit."""

import pytest
import torch

from mcn_ros.network.backbones import BACKBONES
from mcn_ros.network.backbones.atrous import densify


def pair(name, output_stride):
    """Return a backbone, and the same at a finer resolution."""
    torch.manual_seed(0)
    plain, finer = BACKBONES[name]().double(), BACKBONES[name]().double()
    densify(finer, output_stride)
    for backbone in (plain, finer):
        backbone.load_state_dict(plain.state_dict())
        backbone.eval()
    return plain, finer


@pytest.mark.parametrize('output_stride', [16, 8])
@pytest.mark.parametrize('name', ['resnet18', 'resnet34', 'resnet50', 'shufflenet_v2_x0_5',
                                  'shufflenet_v2_x1_0_leaky'])
def test_cells_where_both_are_agree_exactly(name, output_stride):
    """Rows and columns 0, 2, 4, .. of a map of half the stride, those at the border, too."""
    plain, finer = pair(name, output_stride)
    images = torch.randn(1, 3, 128, 160).double()
    with torch.no_grad():
        expected, found = plain(images), finer(images)
    assert finer.strides == tuple(min(stride, output_stride) for stride in plain.strides)
    for coarse, fine, stride in zip(expected, found, plain.strides):
        factor = max(stride // output_stride, 1)
        assert fine.shape[2:] == tuple(side * factor for side in coarse.shape[2:])
        scale = coarse.abs().max()
        assert (fine[..., ::factor, ::factor] - coarse).abs().max() <= 1e-12 * scale


@pytest.mark.parametrize('name, output_stride, words', [
    ('dla34', 16, 'output_stride: 16 is not for a backbone that pools'),
    ('mobilenet_v2_x1_0_same', 16, 'pads to one side'),
    ('resnet18', 12, 'output_stride: 12 is not one of 4, 8, 16, 32')])
def test_what_cannot_be_finer_is_refused_and_left_alone(name, output_stride, words):
    backbone = BACKBONES[name]()
    before, strides = repr(backbone), backbone.strides
    with pytest.raises(ValueError, match=words):
        densify(backbone, output_stride)
    assert repr(backbone) == before and backbone.strides == strides


def test_the_coarsest_stride_changes_nothing():
    backbone = BACKBONES['resnet18']()
    before = repr(backbone)
    densify(backbone, 32)
    assert repr(backbone) == before
