# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Vision transformers: where their tokens are, and whose weights they take."""

from math import cos, sin

import pytest
import torch
from torch import nn

from mcn_ros.network.backbones import BACKBONES
from mcn_ros.network.backbones.pretrained import load_backbone
from mcn_ros.network.backbones.vit import sine_cosine


@pytest.fixture(scope='module')
def toy():
    torch.manual_seed(0)
    return BACKBONES['vit_toy_p8']().eval()


def test_positions_have_the_values_of_the_paper():
    # 8 channels are two frequencies, 1 and 0.01, of sines and cosines, of x and y.
    positions = sine_cosine(8, rows=3, columns=3, span=3)
    assert positions.shape == (9, 8)
    x, y = 2, 1
    expected = [sin(x), sin(0.01 * x), cos(x), cos(0.01 * x),
                sin(y), sin(0.01 * y), cos(y), cos(0.01 * y)]
    torch.testing.assert_close(positions[3 * y + x], torch.tensor(expected))
    torch.testing.assert_close(positions[0], torch.tensor([0., 0, 1, 1, 0, 0, 1, 1]))


def test_positions_are_those_of_the_grid_of_the_image():
    # Four columns on a span of two are at -.25, .25, .75 and 1.25; two rows at 0 and 1.
    positions = sine_cosine(4, rows=2, columns=4, span=2)
    expected = [[sin(x), cos(x), sin(y), cos(y)] for y in (0, 1) for x in (-.25, .25, .75, 1.25)]
    torch.testing.assert_close(positions, torch.tensor(expected))


def test_tokens_are_patches_row_by_row(toy):
    net, images = toy.stages[0], torch.zeros(1, 3, 16, 24)
    images[0, :, 8:, 16:] = 1  # the last of two rows of three patches
    with torch.no_grad():
        changed = (net.embed(images) - net.embed(torch.zeros_like(images))).abs().sum(2) > 0
    assert changed.tolist() == [[False] * 5 + [True]]


def test_tokens_know_their_places(toy):
    images = torch.ones(1, 3, 16, 16)
    with torch.no_grad():
        upper, lower = toy(images)[0][0, :, 0], toy(images)[0][0, :, 1]
        assert (upper - lower).norm() > 0.01 * upper.norm()


def test_the_map_is_that_of_the_tokens(toy):
    images = torch.randn(2, 3, 32, 64)
    with torch.no_grad():
        tokens = toy.stages[0].encode(toy.stages[0].embed(images))
        found, = toy(images)
    assert tokens.shape == (2, 1 + 4 * 8, 96)
    assert torch.equal(found[:, :, 3, 5], tokens[:, 1 + 3 * 8 + 5])


def test_attention_is_that_of_torch(toy):
    ours = toy.stages[0].blocks[0].attn
    theirs = nn.MultiheadAttention(96, 4, batch_first=True)
    theirs.load_state_dict({'in_proj_weight': ours.qkv.weight, 'in_proj_bias': ours.qkv.bias,
                            'out_proj.weight': ours.proj.weight,
                            'out_proj.bias': ours.proj.bias})
    x = torch.randn(2, 5, 96)
    torch.testing.assert_close(ours(x), theirs(x, x, x, need_weights=False)[0])


@pytest.mark.parametrize('others', [
    {'head.weight': torch.zeros(1000, 96)},
    {'mask_token': torch.zeros(1, 1, 64), 'decoder_blocks.0.norm1.weight': torch.zeros(64)}])
def test_public_names_are_those_of_timm_and_of_masked_autoencoders(toy, others, tmp_path):
    net = toy.stages[0]
    state = {'cls_token': net.class_token, 'pos_embed': torch.zeros(1, 37, 96),
             'patch_embed.proj.weight': net.embedding.weight,
             'patch_embed.proj.bias': net.embedding.bias,
             'norm.weight': net.norm.weight, 'norm.bias': net.norm.bias}
    for name in ('norm1', 'attn.qkv', 'attn.proj', 'norm2', 'mlp.fc1', 'mlp.fc2'):
        for index, block in enumerate(net.blocks):
            for kind, value in block.get_submodule(name).named_parameters():
                state[f'blocks.{index}.{name}.{kind}'] = value
    torch.save({name: torch.as_tensor(value.detach() + 1)
                for name, value in (state | others).items()}, tmp_path / 'w.pth')
    loaded = BACKBONES['vit_toy_p8']()
    load_backbone(loaded, tmp_path / 'w.pth')
    for name, value in toy.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value + 1), name
