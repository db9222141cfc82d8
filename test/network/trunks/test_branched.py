# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Streams with common first stages: what is common, and whose weights it has."""

import pytest
import torch
from torch.testing import assert_close

from mcn_ros.network.backbones.pretrained import load_backbone
from mcn_ros.network.colours import Colours
from mcn_ros.network.trunks import (
    BranchedTrunkConfig, build_trunk_config, SeparateTrunksConfig, SharedTrunk, StreamConfig)

TASKS = 'detection', 'pose'
COLOURS = Colours('bgr')
SMALL = {'backbone': 'shufflenet_v2_x0_5', 'channels': 8}
STREAMS = {'boxes': StreamConfig(('detection',), **SMALL),
           'people': StreamConfig(('pose',), **SMALL)}
IMAGES = torch.randn(2, 3, 64, 64, generator=torch.manual_seed(3))


def build(count, seed=0):
    torch.manual_seed(seed)
    trunk = BranchedTrunkConfig(STREAMS, count).build(TASKS, COLOURS)
    with torch.no_grad():
        trunk(IMAGES, TASKS)
    return trunk.eval()


@pytest.mark.parametrize('count', [1, 4])
def test_each_stream_is_a_network_with_the_common_stages(count):
    trunk = build(count)
    for name, stream in trunk.streams().items():
        alone = SharedTrunk(STREAMS[name].trunk(), COLOURS).eval()
        alone.load_state_dict(stream.state_dict())
        task, = STREAMS[name].tasks
        with torch.no_grad():
            assert_close(trunk(IMAGES, [task]), alone(IMAGES, [task]), rtol=0, atol=0)
    kept = {name.rpartition('stages.')[2].partition('.')[0] for name in trunk.state_dict()
            if name.startswith('members.people.backbone')}
    assert kept == {str(number) for number in range(count, 4)}
    assert {name.split('.')[1] for name in trunk.state_dict() if name.startswith('stages')} == {
        str(number) for number in range(count)}


def test_the_common_stages_run_once():
    trunk, calls = build(2), []
    for number, stage in enumerate(trunk.stages):
        stage.register_forward_hook(lambda *_, number=number: calls.append(number))
    trunk(IMAGES, TASKS)
    assert calls == [0, 1]


def test_the_common_stages_learn_from_all_and_the_others_from_one():
    trunk = build(2)
    trunk(IMAGES, ['pose'])['pose']['features'].sum().backward()
    with_gradient = {name.split('.')[0] + name.split('.')[1] for name, value
                     in trunk.named_parameters() if value.grad is not None}
    assert with_gradient == {'stages0', 'stages1', 'memberspeople'}
    owners = {(name.split('.')[0], trunk.owner_of(name)) for name, _ in trunk.named_parameters()}
    assert owners == {('stages', 'trunk'), ('members', 'detection'), ('members', 'pose')}


@pytest.mark.parametrize('order', [['boxes', 'people'], ['people', 'boxes']])
def test_the_common_stages_are_of_the_first_stream(order):
    torch.manual_seed(1)
    other = SeparateTrunksConfig(STREAMS).build(TASKS, COLOURS)
    at_once, in_turn = build(2), build(2)
    assert at_once.start_from(other, order) == {name: name for name in order}
    assert list(at_once.start_from(other, order)) == order
    for name in order:
        in_turn.start_from(other, [name])
    for trunk in (at_once, in_turn):
        for name, stream in trunk.streams().items():
            state, theirs = stream.state_dict(), other[name].state_dict()
            for key, value in state.items():
                common = 'stages.0' in key or 'stages.1' in key
                origin = other['boxes'].state_dict() if common else theirs
                assert torch.equal(value, origin[key]), (name, key)


def test_all_start_from_a_public_backbone(tmp_path):
    torch.manual_seed(2)
    public = SharedTrunk(STREAMS['boxes'].trunk(), COLOURS).backbone
    theirs = {own: name for name, own in public.public_names.items() if own}
    state = {}
    for key, value in public.state_dict().items():
        own = max((each for each in theirs if key.startswith(f'{each}.')), key=len)
        state[theirs[own] + key.removeprefix(own)] = value
    torch.save(state, tmp_path / 'w.pth')
    trunk = build(2)
    for backbone in trunk.backbones():
        load_backbone(backbone, tmp_path / 'w.pth')
    for stream in trunk.streams().values():
        assert_close(stream.backbone.state_dict(), public.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize('change, words', [
    ({'shared_stages': 0}, 'trunk.shared_stages: 0 is not in 1 to 4'),
    ({'shared_stages': 5}, 'trunk.shared_stages: 5 is not in 1 to 4'),
    ({'streams': {'a': {**SMALL, 'tasks': ['detection'], 'channel_order': 'rgb'},
                  'b': {**SMALL, 'tasks': ['pose']}}},
     'trunk.streams: b is for other colours than a, but their first stages are the same'),
    ({'streams': {'a': {**SMALL, 'tasks': ['detection']}, 'b': {'tasks': ['pose']}}},
     'trunk.streams: branched is of streams with the same backbone'),
    ({'streams': {'a': {**SMALL, 'tasks': ['detection']},
                  'b': {**SMALL, 'tasks': ['pose'], 'scales': [1, 2]}}},
     'trunk.streams: branched is of streams without scales, not of b'),
    ({'streams': {'a': {**SMALL, 'tasks': TASKS}, 'b': {**SMALL, 'tasks': []}}},
     'trunk.streams.b.tasks: none given')])
def test_bad_branches(change, words):
    values = {'kind': 'branched', 'streams': {
        name: {**SMALL, 'tasks': list(stream.tasks)} for name, stream in STREAMS.items()}}
    with pytest.raises(ValueError, match=f'^{words}'):
        build_trunk_config({**values, **change}, TASKS).build(TASKS, COLOURS)
