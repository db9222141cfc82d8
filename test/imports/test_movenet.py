# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""MoveNet's weights: all of them arrive where they belong, or none."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
import torch

from mcn_ros.imports import movenet

WEIGHTS = Path(__file__).parents[3] / 'shared/data/weights'
PUBLIC = WEIGHTS / 'movenet_multipose.safetensors'
CHECK = WEIGHTS / 'movenet_multipose_check.npz'
NEEDS_WEIGHTS = pytest.mark.skipif(not (PUBLIC.exists() and CHECK.exists()),
                                   reason='no ../shared')


@pytest.fixture(scope='module')
def state():
    """Return weights of the public names and shapes, in each tensor a value of its own."""
    names = movenet.names()
    with torch.device('meta'):
        expected = movenet.build().state_dict()
    return {name: torch.full(expected[own].shape, 0.01 * number, dtype=torch.float16)
            for number, (name, own) in enumerate(names.items())}


@pytest.fixture
def save(tmp_path, state):
    def save_changed(**changes):
        kept = {name: value for name, value in {**state, **changes}.items() if value is not None}
        save_file(kept, tmp_path / 'w.safetensors')
        return tmp_path / 'w.safetensors'
    return save_changed


def pairs_swapped(values):
    """Return (2 N, H, W) y, x pairs as x, y."""
    return values.reshape(-1, 2, *values.shape[1:])[:, ::-1].reshape(values.shape)


@NEEDS_WEIGHTS
def test_the_network_answers_what_the_public_one_does():
    # In double precision, so that no rounding but that of the public network's is in between.
    model, check = movenet.read(PUBLIC).double(), np.load(CHECK)
    with torch.no_grad():
        found = model(torch.from_numpy(check['image']).permute(2, 0, 1)[None])['pose']
    heatmaps = {'center': 'heatmap', 'joint_heatmap': 'joint_heatmap'}
    ways = {'size': 'size', 'offset': 'offset', 'joint_displacement': 'displacement',
            'joint_offset': 'joint_offset'}
    assert {*heatmaps, *ways, 'image'} == set(check)
    for public, own in heatmaps.items():
        np.testing.assert_allclose(found[own][0], check[public], rtol=0, atol=1e-4)
    # Ways of up to 30 cells, of which float32 leaves the public network 1e-5 of their length.
    for public, own in ways.items():
        np.testing.assert_allclose(found[own][0], pairs_swapped(check[public]), rtol=1e-5,
                                   atol=1e-4)


@NEEDS_WEIGHTS
def test_the_names_are_those_of_the_public_file():
    assert movenet.names().keys() == load_file(PUBLIC).keys()


def test_every_weight_arrives(save, state):
    model = movenet.read(save())
    found = {name: value for name, value in model.state_dict().items()
             if value.is_floating_point() and value.numel()}
    folded = {'running_mean', 'running_var'}
    kept = {name: value for name, value in found.items()
            if name.rpartition('.')[2] not in folded}
    values = {round(value.flatten()[0].item(), 3) for value in kept.values()}
    assert len(state) == len(movenet.names())
    assert {round(value.flatten()[0].float().item(), 3) for value in state.values()} <= values
    assert model.config.tasks['pose']['kind'] == 'window_pose' and not model.training


def test_height_comes_before_width_there(save):
    bias = torch.arange(34.0)
    model = movenet.read(save(**{'heads.joint_offset.output.bias': bias}))
    assert torch.equal(model.heads['pose'].maps['joint_offset'][3].bias,
                       bias.reshape(17, 2).flip(1).flatten())


@pytest.mark.parametrize('changes, words', [
    ({'neck.lateral_8.bias': None}, 'lacks neck.lateral_8.bias'),
    ({'heads.depth.bias': torch.zeros(1)}, 'has unknown heads.depth.bias'),
    ({'neck.lateral_8.bias': torch.zeros(31)}, 'has another shape of neck.lateral_8.bias'),
    ({'neck.lateral_8.bias': torch.full((32,), float('nan'))}, 'has no finite .*lateral_8.bias'),
    ({'neck.lateral_8.bias': torch.zeros(32, dtype=torch.int32)}, 'has no finite .*_8.bias')])
def test_other_weights_are_refused(save, changes, words):
    with pytest.raises(ValueError, match=f'w.safetensors: {words}'):
        movenet.read(save(**changes))


def test_damaged_files_are_refused(save, tmp_path):
    whole = save().read_bytes()
    for content in (b'', whole[:100], whole[:-1], b'\xff' * 64):
        (tmp_path / 'w.safetensors').write_bytes(content)
        with pytest.raises(ValueError, match='w.safetensors: is not a readable safetensors file'):
            movenet.read(tmp_path / 'w.safetensors')
    with pytest.raises(ValueError, match='nothing.*: is not a readable safetensors file'):
        movenet.read(tmp_path / 'nothing')
