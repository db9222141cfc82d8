# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Trunks of their own: who gets which features, and which trunk belongs to whom."""

import pytest
import torch

from mcn_ros.network.features import MapShape
from mcn_ros.network.trunks import SeparateTrunksConfig, SharedTrunk, TrunkConfig

OWN = SeparateTrunksConfig('shufflenet_v2_x0_5', 'top_down', 16, own=('pose',))
SHARED = TrunkConfig('shufflenet_v2_x0_5', 'top_down', 16)


def test_tasks_can_have_trunks_of_their_own():
    trunk = OWN.build(['detection', 'pose', 'segmentation']).eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        found = trunk(images, ['segmentation', 'pose', 'detection'])
        assert list(found) == ['segmentation', 'pose', 'detection']
        assert found['segmentation'] is found['detection']
        for task, name in (('pose', 'pose'), ('detection', 'shared')):
            expected = trunk[name](images, [task])[task]['features']
            assert torch.equal(found[task]['features'], expected)
            assert trunk.shapes(task) == {'features': MapShape(16, 4)}
    assert not torch.equal(found['pose']['features'], found['detection']['features'])


def test_only_the_trunks_that_are_needed_are_run():
    trunk, calls = OWN.build(['detection', 'pose']), []
    for name, stream in trunk.streams().items():
        stream.register_forward_hook(lambda *_, name=name: calls.append(name))
    trunk(torch.randn(2, 3, 64, 64), ['pose'], checkpoint=True)
    assert calls == ['pose']
    trunk(torch.randn(2, 3, 64, 64), ['detection'])
    assert calls == ['pose', 'shared']


@pytest.mark.parametrize('tasks, names', [
    (['detection', 'pose'], ['shared', 'pose']), (['pose'], ['pose']),
    (['detection', 'segmentation'], ['shared'])])
def test_no_trunk_is_without_a_task(tasks, names):
    trunk = OWN.of_tasks(tasks).build(tasks)
    assert list(trunk.streams()) == names
    assert all(stream.config == SHARED for stream in trunk.streams().values())
    assert trunk.backbones() == [stream.backbone for stream in trunk.values()]
    state = OWN.build(['detection', 'pose', 'segmentation']).state_dict()
    assert {key for key in state if trunk.needs(key, tasks)} == trunk.state_dict().keys()


def test_the_trunk_of_a_task_is_its_own():
    trunk = OWN.build(['detection', 'pose'])
    owners = {trunk.owner_of(name): name.partition('.')[0] for name, _ in trunk.named_parameters()}
    assert owners == {'trunk': 'shared', 'pose': 'pose'}


def test_each_starts_from_its_like_or_from_the_shared_one():
    mine, theirs = OWN.build(['detection', 'pose']), OWN.build(['detection', 'pose'])
    assert mine.start_from(theirs, ['pose']) == {'pose': 'pose'}
    same = [name for name, value in mine.state_dict().items()
            if torch.equal(value, theirs.state_dict()[name]) and name.endswith('conv.weight')]
    assert {name.partition('.')[0] for name in same} <= {'pose'}
    assert mine.start_from(SharedTrunk(SHARED), ['shared', 'pose']) == {
        'shared': 'shared', 'pose': 'shared'}
    only = OWN.build(['pose'])
    assert SharedTrunk(SHARED).start_from(only, ['shared']) == {'shared': 'pose'}
