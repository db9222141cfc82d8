# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What every kind of trunk promises to the rest of the package."""

from copy import deepcopy

import pytest
import torch
from torch.testing import assert_close

from mcn_ros.config import to_dict
from mcn_ros.network.colours import Colours
from mcn_ros.network.trunks import build_trunk_config, TRUNKS

TASKS = 'detection', 'pose', 'segmentation'
SUBSETS = ('detection', 'segmentation'), ('pose',), ('detection', 'pose')
BACKBONE = {'backbone': 'shufflenet_v2_x0_5'}
STREAMS = {'objects': {**BACKBONE, 'tasks': ['detection', 'segmentation'], 'channels': 16},
           'people': {**BACKBONE, 'tasks': ['pose'], 'neck': 'concatenation', 'channels': 8}}
KINDS = {
    'shared': {**BACKBONE, 'channels': 16},
    'separate': {'streams': STREAMS},
    'branched': {'streams': STREAMS, 'shared_stages': 2},
    'cross_stitch': {'streams': STREAMS},
    'cross_connected': {'streams': STREAMS, 'start': 'gate', 'connect': [1, 3]},
    'skip': {**BACKBONE, 'scales': [1, 2]},
    'decoded': {'backbone': 'vit_toy_p8', 'decoder': {'width': 16, 'depth': 1}, 'channels': 8},
}
IMAGES = torch.randn(2, 3, 64, 128, generator=torch.manual_seed(3))


def described(kind):
    return build_trunk_config({'kind': kind, **KINDS[kind]}, TASKS)


def grown(trunk):
    """Let nothing be as it starts: statistics, gates, weights that are 0."""
    with torch.no_grad():
        for value in trunk.parameters():
            value += 0.05 * torch.randn(value.shape)
        trunk.train()(IMAGES, TASKS)
    return trunk.eval()


@pytest.fixture(scope='module', params=TRUNKS)
def kind(request):
    return request.param


@pytest.fixture(scope='module')
def trunk(kind):
    torch.manual_seed(0)
    return grown(described(kind).build(TASKS, Colours()))


def run(trunk, tasks, images=IMAGES, **options):
    with torch.no_grad():
        return trunk(images, tasks, **options)


def test_a_description_is_read_as_it_is_written(kind):
    config = described(kind)
    assert config.kind == kind
    assert build_trunk_config(to_dict(config), TASKS) == config
    assert config.of_tasks(TASKS) == config


def test_features_have_the_shapes_that_are_told(trunk):
    found = run(trunk, TASKS)
    assert list(found) == list(TASKS)
    for task, maps in found.items():
        assert {name: (2, shape.channels, 64 // shape.stride, 128 // shape.stride)
                for name, shape in trunk.shapes(task).items()} == {
                    name: values.shape for name, values in maps.items()}


@pytest.mark.parametrize('tasks', SUBSETS, ids='+'.join)
def test_for_some_tasks_there_is_a_part_that_answers_the_same(kind, trunk, tasks):
    expected = run(trunk, TASKS)
    assert_close(run(trunk, tasks), {task: expected[task] for task in tasks}, rtol=0, atol=0)
    part = described(kind).of_tasks(tasks).build(tasks, Colours())
    state = {key: value for key, value in trunk.state_dict().items() if trunk.needs(key, tasks)}
    part.load_state_dict(state)  # all of it, and no more
    assert_close(run(part.eval(), tasks), {task: expected[task] for task in tasks},
                 rtol=0, atol=0)
    again = described(kind).of_tasks(tasks).of_tasks(tasks[:1]).build(tasks[:1], Colours())
    assert {key for key in state if part.needs(key, tasks[:1])} == again.state_dict().keys()


@pytest.mark.parametrize('tasks', [TASKS, ('pose',)], ids='+'.join)
def test_all_that_is_kept_for_some_tasks_is_used(kind, tasks):
    trunk = described(kind).of_tasks(tasks).build(tasks, Colours())
    for module in trunk.modules():  # no gradient passes a gate that is shut
        if getattr(module, 'gate', None) is not None:
            torch.nn.init.ones_(module.gate.values)
    features = trunk(IMAGES, tasks)
    sum(values.square().sum() for maps in features.values() for values in maps.values()).backward()
    assert [name for name, value in trunk.named_parameters() if value.grad is None] == []


def test_images_of_a_batch_have_nothing_to_do_with_each_other(trunk):
    both = run(trunk, TASKS)
    for row in range(2):
        for task, maps in run(trunk, TASKS, IMAGES[row:row + 1]).items():
            for name, values in maps.items():
                assert_close(values[0], both[task][name][row], rtol=1e-4, atol=1e-4)


def test_recomputed_all_is_the_same(trunk):
    found = []
    for checkpoint in (False, True):
        twin = deepcopy(trunk).train()
        features = twin(IMAGES, TASKS, checkpoint)
        sum(values.square().sum() for task in TASKS for values in features[task].values()
            ).backward()
        found.append((features, [value.grad for value in twin.parameters()], twin.state_dict()))
    for one, other in zip(*found):
        assert_close(other, one)


def test_stages_are_open(kind, trunk):
    """Each backbone sees the images in its first stage, and has what public weights have."""
    seen = {}
    for number, backbone in enumerate(trunk.backbones()):
        backbone.stages[0].register_forward_pre_hook(
            lambda _, x, number=number: seen.setdefault(number, []).append(x[0].shape))
        assert len(backbone.stages) == len(backbone.channels) == len(backbone.strides)
        assert len(backbone.stages) == (1 if kind == 'decoded' else 4)
    run(trunk, TASKS)
    # Perhaps once more, smaller.
    assert list(seen) == list(range(len(trunk.backbones())))
    assert all(shapes[0] == IMAGES.shape for shapes in seen.values())


def test_it_starts_from_any_that_fits(kind, trunk):
    torch.manual_seed(1)
    other = described(kind).build(TASKS, Colours())
    assert trunk.streams().keys() == {trunk.stream_of(task) for task in TASKS}
    told = other.start_from(trunk, list(other.streams()))
    assert {name: told[name] for name in other.streams()} == {
        name: name for name in other.streams()}
    assert_close(other.state_dict(), trunk.state_dict(), rtol=0, atol=0)


def test_what_a_task_owns_no_other_task_reaches(trunk):
    owners = {name: trunk.owner_of(name) for name, _ in trunk.named_parameters()}
    assert set(owners.values()) <= {'trunk', *TASKS}
    for task in TASKS:
        trunk.zero_grad()
        sum(values.sum() for values in trunk(IMAGES, [task])[task].values()).backward()
        reached = {owners[name] for name, value in trunk.named_parameters()
                   if value.grad is not None}
        assert reached <= {'trunk', task}
