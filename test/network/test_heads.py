# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Heads: sizes, starting values, layouts."""

import math

import pytest
import torch

from mcn_ros.network.features import MapShape, single
from mcn_ros.network.heads import Head, HeadConfig

DETECTION = {'center': 80, 'size': 2, 'offset': 2}


def count(maps, config):
    with torch.device('meta'):
        return sum(p.numel() for p in Head(single(64), maps, config).parameters())


# Maps of CenterNet's heads, with the number of parameters for widths 256, 128, 64 and 0.
@pytest.mark.parametrize('maps, counts', [
    ({'center': 80}, (168_272, 84_176, 42_128, 5_200)),
    ({'center': 1}, (147_969, 73_985, 36_993, 65)),
    ({'size': 2}, (148_226, 74_114, 37_058, 130)),
    ({'displacement': 34}, (156_450, 78_242, 39_138, 2_210)),
    ({'joints': 17}, (152_081, 76_049, 38_033, 1_105)),
    ({'classes': 81}, (168_529, 84_305, 42_193, 5_265)),
    (DETECTION, (464_724, 232_404, 116_244, 5_460)),
    (DETECTION | {'center': 1}, (444_421, 222_213, 111_109, 325)),
    ({'displacement': 34, 'joints': 17, 'offset': 2}, (456_757, 228_405, 114_229, 3_445)),
])
def test_counts_of_the_reference(maps, counts):
    assert tuple(count(maps, HeadConfig(width)) for width in (256, 128, 64, 0)) == counts


@pytest.mark.parametrize('config', [HeadConfig(16), HeadConfig(0), HeadConfig(16, 'shared'),
                                    HeadConfig(16, 'separable')])
class TestEveryLayout:

    def test_maps_have_their_channels_in_order(self, config):
        maps = Head(single(8), DETECTION, config)({'features': torch.randn(2, 8, 5, 7)})
        assert list(maps) == list(DETECTION)
        assert {name: m.shape for name, m in maps.items()} == {
            name: (2, channels, 5, 7) for name, channels in DETECTION.items()}

    def test_the_bias_decides_the_first_logits(self, config):
        head = Head(single(8), DETECTION, config, {'center': -2.19}).eval()
        maps = head({'features': torch.zeros(1, 8, 5, 7)})
        torch.testing.assert_close(maps['center'], torch.full_like(maps['center'], -2.19))
        assert not maps['size'].any() and not maps['offset'].any()
        probability = head({'features': torch.rand(1, 8, 5, 7)})['center'].sigmoid().mean().item()
        assert math.isclose(probability, 0.1, abs_tol=0.05)

    def test_every_parameter_learns(self, config):
        head = Head(single(8), DETECTION, config)
        maps = head({'features': torch.randn(2, 8, 5, 7)})
        sum(values.pow(2).sum() for values in maps.values()).backward()
        assert all(p.grad is not None and p.grad.any() for p in head.parameters())

    def test_features_are_not_changed(self, config):
        features = torch.randn(1, 8, 5, 7)
        before = features.clone()
        Head(single(8), DETECTION, config)({'features': features})
        assert torch.equal(features, before)


def test_shared_is_cheaper():
    assert count(DETECTION, HeadConfig(64, 'shared')) < 0.2 * count(DETECTION, HeadConfig(64))


def test_the_count_of_a_head_of_movenet():
    with torch.device('meta'):
        head = Head(single(24), {'center': 1, 'joint_offset': 34}, HeadConfig(96, 'separable'))
    first = 24 * 9 + (24 + 1) * 96
    assert sum(p.numel() for p in head.parameters()) == 2 * first + (96 + 1) * 35


@pytest.mark.parametrize('arguments, word', [
    ({'width': -1}, 'width'),
    ({'width': 0, 'layout': 'shared'}, 'shared'),
    ({'width': 0, 'layout': 'separable'}, 'separable'),
    ({'layout': 'tower'}, 'per_map'), ({'direct': True}, 'only for the layout shared'),
])
def test_bad_config_is_refused(arguments, word):
    with pytest.raises(ValueError, match=word):
        HeadConfig(**arguments)


def test_bias_of_no_map_is_refused():
    with pytest.raises(ValueError, match='centre.*center'):
        Head(single(8), DETECTION, HeadConfig(), {'centre': -2.19})


def test_a_direct_way_to_the_features():
    features = torch.randn(1, 5, 6, 7)
    config = HeadConfig(8, 'shared', direct=True)
    head = Head(single(5), {'a': 3, 'b': 1}, config).eval()
    for layers in head.maps.values():
        torch.nn.init.zeros_(layers[0].weight[:, :8])
    found = head({'features': features})
    expected = torch.einsum('oc,bchw->bohw', head.maps['a'][0].weight[:, 8:, 0, 0], features)
    torch.testing.assert_close(found['a'], expected)
    assert Head(single(5), {'a': 3}, HeadConfig(8, 'shared')).maps['a'][0].in_channels == 8


SHAPES = {'features': MapShape(8, 4), 'fine': MapShape(3, 2), 'coarse': MapShape(5, 16)}


def test_a_head_reads_the_map_of_its_name():
    head = Head(SHAPES, {'a': 1}, HeadConfig(0), reads='coarse', stride=16)
    features = {name: torch.randn(1, shape.channels, 32 // shape.stride, 32 // shape.stride)
                for name, shape in SHAPES.items()}
    found = head(features)['a']
    assert found.shape == (1, 1, 2, 2)
    assert torch.equal(found, head({'coarse': features['coarse']})['a'])


@pytest.mark.parametrize('arguments, words', [
    ({'reads': 'readings'}, r"^no features 'readings' \(the trunk has features, fine, coarse\)$"),
    ({'reads': 'coarse'}, "^features 'coarse' of stride 16, not 4$")])
def test_features_that_are_not_there_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Head(SHAPES, {'a': 1}, HeadConfig(), **arguments)
