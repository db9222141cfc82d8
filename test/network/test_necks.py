# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Necks: which stages they use, how they start, what they refuse."""

import math

import pytest
import torch
from torch.nn import functional

from mcn_ros.network.necks import DeconvNeck, NECKS

CHANNELS = (6, 8, 10, 12, 14)
STRIDES = (2, 4, 8, 16, 32)
OUT = 88  # the nanodet neck has 84 channels of its own
PLAIN = ('transposed', 'top_down', 'nanodet', 'nanodet_joint', 'ghost_pan', 'movenet',
         'movenet_pan', 'ghost_pan_dense')
KINDS = [(name, deformable) for name in NECKS for deformable in (False, True)
         if not (deformable and name in PLAIN)]


def stages(batch=2, height=64, width=96):
    return [torch.randn(batch, channels, height // stride, width // stride, requires_grad=True)
            for channels, stride in zip(CHANNELS, STRIDES)]


def total(features):
    return sum(values.pow(2).sum() for values in features.values())


@pytest.mark.parametrize('name, deformable', KINDS)
class TestEveryNeck:

    def test_the_features_are_those_declared(self, name, deformable):
        neck = NECKS[name](CHANNELS, STRIDES, OUT, deformable)
        features = neck(stages())
        assert list(features) == list(neck.shapes)
        for key, shape in neck.shapes.items():
            assert features[key].shape == (2, shape.channels, 64 // shape.stride,
                                           math.ceil(96 / shape.stride))
        assert features['features'].shape == (2, OUT, 16, 24)

    def test_every_parameter_learns(self, name, deformable):
        neck = NECKS[name](CHANNELS, STRIDES, OUT, deformable)
        total(neck(stages())).backward()
        assert [key for key, p in neck.named_parameters() if p.grad is None
                or not p.grad.any()] == []

    def test_the_stages_that_matter(self, name, deformable):
        neck, inputs = NECKS[name](CHANNELS, STRIDES, OUT, deformable), stages()
        total(neck(inputs)).backward()
        used = [stage.grad is not None and bool(stage.grad.any()) for stage in inputs]
        coarser = name not in ('deconv', 'transposed')
        assert used == [False, coarser, coarser, coarser, True]

    def test_stages_are_not_changed(self, name, deformable):
        inputs = stages()
        before = [stage.detach().clone() for stage in inputs]
        with torch.no_grad():
            NECKS[name](CHANNELS, STRIDES, OUT, deformable)(inputs)
        assert all(torch.equal(stage, copy) for stage, copy in zip(inputs, before))


@pytest.mark.parametrize('name', ['aggregation', 'concatenation'])
def test_aggregation_takes_the_finest_stage_as_it_is_where_it_fits(name):
    fitting = NECKS[name](CHANNELS, STRIDES, CHANNELS[1], False)
    assert not list(fitting.project.parameters())
    assert list(NECKS[name](CHANNELS, STRIDES, 16, False).project.parameters())


def test_transposed_convolutions_start_bilinear():
    neck = DeconvNeck(CHANNELS, STRIDES, 4, False)
    doublings = [layer[0] for layer in list(neck.layers)[1::2]]
    assert [layer.out_channels for layer in doublings] == [16, 8, 4]
    x = torch.randn(1, 8, 5, 6)
    expected = functional.interpolate(x, scale_factor=2, mode='bilinear')
    torch.testing.assert_close(doublings[1](x)[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2])


@pytest.mark.parametrize('name', ['deconv', 'transposed'])
def test_number_of_deconvolutions_follows_the_stride(name):
    neck = NECKS[name]((3, 5), (4, 16), 4, False)
    features = neck([torch.randn(2, 3, 16, 16), torch.randn(2, 5, 4, 4)])['features']
    assert features.shape == (2, 4, 16, 16)


@pytest.mark.parametrize('name', PLAIN)
def test_some_necks_cannot_be_deformable(name):
    family = name.removesuffix('_joint').removesuffix('_dense')
    with pytest.raises(ValueError, match=f'{family}.*deformable'):
        NECKS[name](CHANNELS, STRIDES, OUT, True)


@pytest.mark.parametrize('name, strides', [
    ('deconv', (2, 4)), ('deconv', (4, 24)), ('transposed', (4, 24)), ('aggregation', (8, 16)),
    ('aggregation', (4, 16)), ('concatenation', (8, 16)), ('concatenation', (4, 16)),
    ('top_down', (8, 16)), ('top_down', (2, 4)), ('nanodet', (4, 8, 16)), ('movenet', (4, 8, 16))])
def test_strides_that_cannot_be_merged_are_refused(name, strides):
    with pytest.raises(ValueError, match='stride'):
        NECKS[name]((6, 8), strides, OUT, False)
