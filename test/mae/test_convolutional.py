# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Hidden cells of convolutional backbones: what they see of them, and what they are to say."""

import pytest
import torch

from mcn_ros.mae import convolutional as module
from mcn_ros.mae.convolutional import (ConvolutionalConfig, HIDDEN, SimMim, Spark, visible_cells)
from mcn_ros.mae.model import patches, visible_patches
from mcn_ros.network.backbones import BACKBONES

METHODS = pytest.mark.parametrize('method', [Spark, SimMim])
KEEP = torch.tensor([[1, 4], [0, 5]])  # of 2 x 3 cells


def build(method, **changes):
    torch.manual_seed(0)
    return method(ConvolutionalConfig('shufflenet_v2_x0_5', 16, **changes))


@pytest.fixture
def images():
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def test_cells_are_counted_row_by_row(images):
    assert visible_cells(images, KEEP)[:, 0].int().tolist() == [
        [[0, 1, 0], [0, 1, 0]], [[1, 0, 0], [0, 0, 1]]]


@METHODS
def test_it_gives_all_cells_and_sees_the_visible_ones(method, images):
    model, changed = build(method), images.clone()
    before = model(images, KEEP)
    assert before.shape == (2, 6, 3 * 32 ** 2)
    changed[0, :, :32, :32] += 3  # hidden
    assert torch.equal(model(changed, KEEP), before)
    changed[0, :, :32, 32:64] += 3  # visible
    assert not torch.equal(model(changed, KEEP), before)


@METHODS
def test_the_loss_is_of_hidden_cells_alone(method, images, monkeypatch):
    model = build(method, norm_pix=False)
    target = patches(images, 32)
    monkeypatch.setattr(model, 'forward', lambda *_: target + 2 * (
        1 - visible_cells(images, KEEP).flatten(1).float()[..., None]))
    assert model.loss(images, KEEP).item() == pytest.approx(4 if method is Spark else 2, rel=1e-5)
    monkeypatch.setattr(model, 'forward', lambda *_: target + 2 * (
        visible_cells(images, KEEP).flatten(1).float()[..., None]))
    assert model.loss(images, KEEP).item() == pytest.approx(0, abs=1e-5)


def test_norm_pix_is_of_each_cell(images, monkeypatch):
    model = build(Spark)
    target = patches(images, 32)
    standard = (target - target.mean(2, keepdim=True)) / target.std(2, keepdim=True)
    monkeypatch.setattr(model, 'forward', lambda *_: standard)
    assert model.loss(images, KEEP).item() == pytest.approx(0, abs=1e-8)
    torch.testing.assert_close(model.reconstruct(images, KEEP), target)


def test_tokens_are_in_the_place_of_hidden_cells_of_all_maps(images):
    model = build(Spark)
    given = []
    for projection in model.decoder.projections:
        projection.register_forward_pre_hook(lambda layer, args: given.append(args[0]))
    model(images, KEEP)
    assert [each.shape[2] for each in given] == [16, 8, 4, 2]
    for each, token in zip(given, model.decoder.tokens):
        corner = each[0, :, :each.shape[2] // 2, :each.shape[3] // 3]  # cell 0, hidden in image 0
        assert torch.equal(corner, token[0].expand_as(corner))
        seen = each[1, :, :each.shape[2] // 2, :each.shape[3] // 3]
        assert not torch.equal(seen, token[0].expand_as(seen))


@METHODS
def test_every_weight_learns(method, images):
    model = build(method)
    model.loss(images, KEEP).backward()
    idle = [name for name, value in model.named_parameters()
            if value.grad is None or not value.grad.any()]
    assert not idle


@METHODS
def test_it_learns(method):
    model = build(method).train()
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(0)
    # Waves of one direction: what is hidden goes on as what is visible.
    phases = torch.rand(4, 1, 1, 1, generator=generator) * 6
    images = (torch.arange(64) / 5 + phases).sin().expand(4, 3, 64, 64)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = model.loss(images, visible_patches(4, 4, HIDDEN, generator))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3]), losses


@pytest.mark.parametrize('name', ['resnet18', 'shufflenet_v2_x1_0', 'dla34'])
def test_backbones_are_those_that_have_four_maps(name):
    model = Spark(ConvolutionalConfig(name, 8))
    assert len(model.encoder.channels) == 4
    assert model.backbone.state_dict().keys() == BACKBONES[name]().state_dict().keys()


def test_all_that_are_offered_can_be_built():
    # Without weights, as these are many.
    for name in module.CONVOLUTIONAL:
        with torch.device('meta'):
            assert len(Spark(ConvolutionalConfig(name, 8)).encoder.channels) == 4


@pytest.mark.parametrize('changes, words', [
    ({'backbone': 'vit_tiny_p16'}, "'vit_tiny_p16' is not one of dla34"),
    ({'width': 6}, 'width: 6'), ({'width': 0}, 'width: 0')])
def test_what_does_not_fit_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        ConvolutionalConfig(**changes)
