# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Heads on a pyramid: what each level sees, and how levels become one map."""

import pytest
import torch

from mcn_ros.network.features import PYRAMID, pyramid, single
from mcn_ros.network.pyramid_head import levels_of, map_of, MergedPyramidHead, PyramidHead

SHAPES = {**single(4), **pyramid(6)}
# The widest that a level of stride 64 has a cell more for.
SIZES = {'features': (16, 24), 'p3': (8, 12), 'p4': (4, 6), 'p5': (2, 3), 'p6': (1, 2)}


def features():
    return {name: torch.randn(2, shape.channels, *SIZES[name], requires_grad=True)
            for name, shape in SHAPES.items()}


def test_every_level_has_all_maps():
    outputs = PyramidHead(SHAPES, {'a': 2, 'b': 3}, 8)(features())
    assert list(outputs) == [map_of(name, level) for level in PYRAMID for name in 'ab']
    for level in PYRAMID:
        assert outputs[f'a_{level}'].shape == (2, 2, *SIZES[level])
        assert outputs[f'b_{level}'].shape == (2, 3, *SIZES[level])
    assert [values.shape[2:] for values in levels_of(outputs, 'a')] == list(SIZES.values())[1:]


def test_a_level_sees_its_own_features_alone():
    seen, head = features(), PyramidHead(SHAPES, {'a': 2}, 8).eval()
    outputs = head(seen)
    for level in PYRAMID:
        found = torch.autograd.grad(outputs[f'a_{level}'].sum(), seen.values(),
                                    retain_graph=True, allow_unused=True)
        assert [name for name, gradient in zip(seen, found) if gradient is not None] == [level]


def test_biases_are_those_given():
    head = PyramidHead(SHAPES, {'a': 2, 'b': 3}, 8, {'a': -4.0})
    for level in PYRAMID:
        assert (head.maps[f'a_{level}'].bias == -4).all()
        assert (head.maps[f'b_{level}'].bias == 0).all()


def test_a_pyramid_has_to_be_there():
    with pytest.raises(ValueError, match="no features 'p3' .the trunk has features"):
        PyramidHead(single(4), {'a': 2}, 8)


def constant(head, level, value):
    """Let a level answer a value everywhere."""
    layer = head.levels.maps[f'a_{level}']
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.constant_(layer.bias, value)


@pytest.mark.parametrize('level', PYRAMID)
def test_the_surest_level_counts(level):
    head = MergedPyramidHead(SHAPES, {'a': 1}, 8).eval()
    for each in PYRAMID:
        constant(head, each, 3.0 if each == level else -1.0)
    found = head(features())['a']
    assert found.shape == (2, 1, *SIZES['features'])
    torch.testing.assert_close(found, torch.full_like(found, 3))


def test_what_a_coarse_level_says_is_where_it_says_it():
    # On the coarsest level two cells, the second of which is half outside of the image.
    head = MergedPyramidHead(SHAPES, {'a': 1}, 8).eval()
    for level in PYRAMID:
        constant(head, level, -10.0)
    head.levels.towers['p6'] = torch.nn.Identity()
    head.levels.maps['a_p6'] = torch.nn.Identity()
    found = head({**features(), 'p6': torch.tensor([[[[0.0, 8.0]]]]).expand(2, 1, 1, 2)})['a']
    columns = found[0, 0].mean(dim=0)
    assert columns[0] == 0 and columns[-1] > 4 and (columns.diff() >= 0).all()
    # Between the middles of the two, which are 64 pixels, 16 columns apart.
    torch.testing.assert_close(columns[15:17].mean(), torch.tensor(4.0))


def test_the_finest_features_begin_with_nothing_and_learn():
    head, seen = MergedPyramidHead(SHAPES, {'a': 2}, 8), features()
    other = {**seen, 'features': torch.randn_like(seen['features'])}
    torch.testing.assert_close(head(seen)['a'], head(other)['a'])
    head(seen)['a'].pow(2).sum().backward()
    assert [name for name, values in head.named_parameters() if not values.grad.any()] == []
