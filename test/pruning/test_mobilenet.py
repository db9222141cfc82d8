# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Narrower networks: what they are made of, and that little is lost that was said twice."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.backbones import BACKBONES, mobilenet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.pruning.mobilenet import prune

NARROW = 'mobilenet_v2_narrow'
TASKS = {'pose': {'kind': 'window_pose', 'head': {'layout': 'separable', 'width': 8}}}
# In blocks with and without a shortcut and of either stride, the last block, and the last layer.
INSIDE, ENDS = {3: 96, 4: 100, 15: 480, 17: 900}, (200, 400)


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """Let there be a backbone that is narrower than the one of plain width."""
    monkeypatch.setitem(BACKBONES, NARROW, lambda: mobilenet._backbone(1.0, INSIDE, ENDS))


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = MultiTaskNet(ModelConfig(
        TASKS, TrunkConfig('mobilenet_v2_x1_0_same', 'movenet', 24), (64, 64)))
    model.train()(batch(pictures(8)))
    return model.eval()


def pictures(count, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(count)]


def batch(images):
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def duplicate(model, block, half):
    """Let the second half of the channels inside of a block be those of the first again."""
    expand, depthwise, project, _ = block.conv
    with torch.no_grad():
        for layer in (expand, depthwise):
            for tensor in (layer[-3].weight, layer[-2].weight, layer[-2].bias,
                           layer[-2].running_mean, layer[-2].running_var):
                tensor[half:2 * half] = tensor[:half]


def difference(model, other):
    with torch.no_grad():
        image = batch(pictures(1, seed=1))
        mine, theirs = (net.features(image, ['pose'])['pose'] for net in (other, model))
    return max(((mine[name] - values).std() / values.std()).item()
               for name, values in theirs.items())


def test_it_is_the_network_of_the_narrower_backbone(model):
    state = {name: values.clone() for name, values in model.state_dict().items()}
    pruned = prune(model, NARROW, pictures(3))
    assert pruned.config == replace(
        model.config, trunk=replace(model.config.trunk, backbone=NARROW))
    assert pruned.trunk.backbone.channels[-1] == 400
    assert not pruned.training
    # The network that it is made of, and the heads, stay as they are.
    assert all(torch.equal(values, state[name]) for name, values in model.state_dict().items())
    heads = {name: values for name, values in pruned.state_dict().items() if 'heads' in name}
    assert heads and all(torch.equal(values, state[name]) for name, values in heads.items())


def test_nothing_is_lost_of_what_was_there_twice(model, monkeypatch):
    monkeypatch.setitem(BACKBONES, NARROW, lambda: mobilenet._backbone(1.0, {3: 96, 5: 96}))
    for number, half in ((2, 72), (4, 96)):
        block = [each for stage in model.trunk.backbone.stages for each in stage][number + 1]
        duplicate(model, block, half)
    pruned = prune(model, NARROW, pictures(6))
    assert difference(model, pruned) < 0.02


def test_the_channels_that_are_kept_and_the_fit_matter(model):
    pruned = prune(model, NARROW, pictures(6))
    found = difference(model, pruned)
    torch.manual_seed(0)
    other = MultiTaskNet(pruned.config)
    other.train()(batch(pictures(8)))
    assert found < 0.5 * difference(model, other.eval())


def test_one_with_nothing_to_leave_out_stays_the_same(model):
    assert difference(model, prune(model, 'mobilenet_v2_x1_0_same', pictures(1))) < 1e-4


@pytest.mark.parametrize('trunk, backbone, message', [
    (TrunkConfig('mobilenet_v2_x1_0_same', 'movenet', 24), 'mobilenet_v2_x1_5_same',
     'mobilenet_v2_x1_5_same is wider than mobilenet_v2_x1_0_same'),
    (TrunkConfig('mobilenet_v2_x1_0_same', 'movenet', 24), 'resnet18',
     'mobilenet_v2_x1_0_same has not the blocks of resnet18'),
    (TrunkConfig('mobilenet_v2_x1_0_same', 'top_down', 24), NARROW, 'neck movenet'),
    ({'kind': 'separate', 'streams': {'people': {
        'tasks': ['pose'], 'backbone': 'mobilenet_v2_x1_0_same', 'neck': 'movenet',
        'channels': 24}}}, NARROW, 'one trunk')])
def test_what_cannot_become_narrower_is_refused(trunk, backbone, message):
    model = MultiTaskNet(ModelConfig(TASKS, trunk, (64, 64)))
    with pytest.raises(ValueError, match=message):
        prune(model, backbone, pictures(1))
