# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A sparse backbone: the plain one where all is visible, and blind to what is hidden."""

import copy

import pytest
import torch
from torch import nn

from mcn_ros.mae.sparse import SparseBackbone, STRIDES, VisibleBatchNorm, VisibleCells
from mcn_ros.network.backbones import BACKBONES

NAMES = 'resnet18', 'shufflenet_v2_x1_0_leaky', 'dla34', 'mobilenet_v2_x1_0_same'
HIDDEN = 1, 0  # row and column of the cell that is hidden
ROWS, COLUMNS = 3, 2


@pytest.fixture(scope='module', params=NAMES)
def backbones(request):
    """Return a plain backbone and the same one, sparse; in training mode, float64."""
    torch.manual_seed(0)
    plain = BACKBONES[request.param]().double()
    for module in plain.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after a training: 0 is no fixed point
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return plain, SparseBackbone(copy.deepcopy(plain))


@pytest.fixture(scope='module')
def images():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 32 * ROWS, 32 * COLUMNS, generator=generator, dtype=torch.float64)


def cells(hidden=()):
    visible = torch.ones(2, 1, ROWS, COLUMNS, dtype=torch.bool)
    for row, column in hidden:
        visible[:, :, row, column] = False
    return visible


def at_hidden(values):
    """Return the part of a map where the hidden cell is."""
    height, width = values.shape[2] // ROWS, values.shape[3] // COLUMNS
    row, column = HIDDEN
    return values[:, :, row * height:(row + 1) * height, column * width:(column + 1) * width]


@pytest.mark.parametrize('training', [True, False])
def test_with_nothing_hidden_it_is_the_plain_one(backbones, images, training):
    plain, sparse = (copy.deepcopy(each).train(training) for each in backbones)
    expected = plain(images)[-len(STRIDES):]
    found = sparse(images, cells())
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one)
    for name, value in plain.state_dict().items():  # also the statistics
        torch.testing.assert_close(sparse.backbone.state_dict()[name], value)


def test_the_gradient_is_that_of_the_plain_one(backbones, images):
    plain, sparse = (copy.deepcopy(each) for each in backbones)
    plain(images)[-1].square().sum().backward()
    sparse(images, cells())[-1].square().sum().backward()
    others = dict(sparse.backbone.named_parameters())
    for name, value in plain.named_parameters():
        torch.testing.assert_close(others[name].grad, value.grad)


def test_hidden_pixels_change_nothing(backbones, images):
    changed = images.clone()
    at_hidden(changed).add_(5)
    one, other = (copy.deepcopy(backbones[1])(each, cells([HIDDEN]))
                  for each in (images, changed))
    assert all(map(torch.equal, one, other))


def test_nothing_is_where_a_cell_is_hidden(backbones, images):
    sparse = copy.deepcopy(backbones[1])
    seen = []
    for module in sparse.modules():
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d)):
            module.register_forward_hook(lambda module, args, output: seen.append(output.clone()))
    maps = sparse(images, cells([HIDDEN]))
    assert len(seen) > 40
    assert all(not at_hidden(each).any() for each in [*maps, *seen])
    assert all(each.any() for each in maps)


def test_visible_places_are_what_is_normalised():
    norm, mask = nn.BatchNorm2d(2, momentum=1.0), VisibleCells()
    sparse = VisibleBatchNorm(norm, mask)
    x = torch.randn(2, 2, 6, 4)
    mask.cells = cells([HIDDEN])
    at_hidden(x).fill_(1e6)
    result = sparse(x)
    kept = mask.at((6, 4))[:, 0]
    values = result.movedim(1, 3)[kept]
    torch.testing.assert_close(values.mean(dim=0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(values.var(dim=0, correction=0), torch.ones(2), atol=1e-3, rtol=0)
    assert not at_hidden(result).any()
    expected = x.movedim(1, 3)[kept]
    torch.testing.assert_close(norm.running_mean, expected.mean(dim=0))  # shared
    torch.testing.assert_close(norm.running_var, expected.var(dim=0))


def test_weights_keep_their_names(backbones):
    plain, sparse = backbones
    shapes = [{name: value.shape for name, value in each.state_dict().items()}
              for each in (plain, sparse.backbone)]
    assert shapes[0] == shapes[1]


def test_maps_are_of_the_four_strides(backbones, images):
    sparse = backbones[1].eval()
    for each, channels, stride in zip(sparse(images, cells()), sparse.channels, STRIDES,
                                      strict=True):
        assert each.shape == (2, channels, 32 * ROWS // stride, 32 * COLUMNS // stride)
    sparse.train()
