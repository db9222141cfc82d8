# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints of CenterNet: the networks that they become, one or two of them, and back."""

from dataclasses import replace

import pytest
import torch

from mcn_ros.centernet import build_network, centernet_state, read_centernet
from mcn_ros.centernet.checkpoint import MEAN, STD
from mcn_ros.centernet.names import ARCHITECTURES, DROPPED, HEADS
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.vocabulary import COCO_CLASSES
from mcn_ros.weights_file import load_model, save_model

SMALL = 'resdcn_18'  # what the random checkpoints are where nothing else is said


# ---- What they become ----

@pytest.mark.parametrize('architecture', ARCHITECTURES)
@pytest.mark.parametrize('task', HEADS)
def test_names_there_and_back(architecture, task):
    width = 4
    with torch.device('meta'):
        model = MultiTaskNet(ModelConfig(
            {task: {'head': {'width': width}}}, ARCHITECTURES[architecture].trunk))
        state = centernet_state(model, task)
    assert len(state) == len(model.state_dict())
    heads = {name.partition('.')[0] for name in state if name.partition('.')[0] in HEADS['pose']}
    assert heads == HEADS[task].keys()


@pytest.mark.parametrize('architecture, task, prefix', [
    ('dla_34', 'detection', ''), ('dlav0_34', 'pose', 'module.'), ('resdcn_18', 'pose', ''),
    ('res_18', 'detection', 'module.')])
def test_a_round_trip_loses_nothing_but_what_is_listed(architecture, task, prefix, tmp_path,
                                                       random_state, save):
    state = random_state(architecture, task)
    checkpoint = read_centernet(save(tmp_path / 'w.pth', state, prefix, optimizer={'state': {}}))
    assert checkpoint.dropped.keys() <= {*DROPPED, 'epoch', 'optimizer'}
    dropped = {name for name in state if any(
        name.startswith(f'{reason}.') for reason in checkpoint.dropped)}
    save_model(build_network([checkpoint]), tmp_path / 'w.safetensors')
    back = centernet_state(load_model(tmp_path / 'w.safetensors'), task)
    assert back.keys() == state.keys() - dropped
    assert all(torch.equal(value, state[name]) for name, value in back.items())
    assert bool(dropped) == architecture.startswith('dla')


def test_the_weights_say_what_they_expect(tmp_path, state, pose_state, save):
    config = build_network([read_centernet(save(tmp_path / 'w.pth', state))], (384, 416)).config
    assert (config.channel_order, config.preprocessing) == ('bgr', 'centernet')
    assert (config.mean, config.std, config.input_size) == (MEAN, STD, (384, 416))
    assert config.trunk == ARCHITECTURES[SMALL].trunk
    task, = config.tasks.values()
    assert tuple(task['classes']) == COCO_CLASSES and task['head']['width'] == 8
    poses = read_centernet(save(tmp_path / 'p.pth', pose_state))
    assert poses.task == 'pose' and poses.fields['skeleton'] == 'coco17'


@pytest.mark.parametrize('count, given, expected', [
    (3, [], ['class_1', 'class_2', 'class_3']), (2, ['cat', 'dog'], ['cat', 'dog'])])
def test_other_classes(tmp_path, count, given, expected, random_state, save):
    state = random_state(classes=COCO_CLASSES[:count])
    checkpoint = read_centernet(save(tmp_path / 'w.pth', state), given)
    assert checkpoint.fields['classes'] == expected


def test_counters_of_batches_may_be_absent(tmp_path, state, save):
    old = {name: value for name, value in state.items() if not name.endswith('_tracked')}
    model = build_network([read_centernet(save(tmp_path / 'w.pth', old))])
    back = centernet_state(model, 'detection')
    assert all(torch.equal(back[name], value) for name, value in old.items())


def test_files_of_old_pytorch(tmp_path, state):
    path = tmp_path / 'w.pth'
    torch.save({'epoch': 1, 'state_dict': state}, path, _use_new_zipfile_serialization=False)
    assert read_centernet(path).architecture == SMALL
    torch.save(state, path)
    assert read_centernet(path).dropped == {}


# ---- Two of them ----

def same_trunk(state, other):
    """Return the second with the trunk of the first."""
    return {**other, **{name: value for name, value in state.items()
                        if name.partition('.')[0] not in HEADS['pose']}}


def answers(model, images):
    with torch.no_grad():
        return model(images)


def test_two_trunks_where_they_differ(tmp_path, state, pose_state, save):
    checkpoints = [read_centernet(save(tmp_path / 'd.pth', state)),
                   read_centernet(save(tmp_path / 'p.pth', pose_state))]
    model = build_network(checkpoints)
    assert {name: stream.tasks for name, stream in model.config.trunk.streams.items()} == {
        'shared': ('detection',), 'pose': ('pose',)}
    save_model(model, tmp_path / 'w')
    images = torch.randint(0, 256, (1, 3, 64, 64))
    both = answers(load_model(tmp_path / 'w'), images)
    for checkpoint in checkpoints:
        single = build_network([checkpoint])
        alone = load_model(tmp_path / 'w', [checkpoint.task])
        assert (sum(p.numel() for p in alone.parameters())
                == sum(p.numel() for p in single.parameters()))
        for found in (both, answers(alone, images)):
            for name, values in answers(single, images)[checkpoint.task].items():
                torch.testing.assert_close(found[checkpoint.task][name], values)
        back = centernet_state(model, checkpoint.task)
        assert all(torch.equal(value, centernet_state(single, checkpoint.task)[name])
                   for name, value in back.items())


def test_one_trunk_where_they_are_the_same(tmp_path, state, pose_state, save):
    shared = same_trunk(state, pose_state)
    model = build_network([read_centernet(save(tmp_path / 'd.pth', state)),
                           read_centernet(save(tmp_path / 'p.pth', shared))])
    assert list(model.trunk.streams()) == ['shared'] and list(model.tasks) == ['detection', 'pose']
    for task, expected in (('detection', state), ('pose', shared)):
        back = centernet_state(model, task)
        assert back.keys() == expected.keys()
        assert all(torch.equal(value, expected[name]) for name, value in back.items())


def test_checkpoints_that_do_not_go_together(tmp_path, state, save):
    first = read_centernet(save(tmp_path / 'first.pth', state))
    with pytest.raises(ValueError, match='^.*first.pth: for detection, as is .*first.pth$'):
        build_network([first, first])
    with pytest.raises(ValueError, match='^w: its trunk is res_18, that of .* is resdcn_18; '):
        build_network([first, replace(first, path='w', architecture='res_18')])


# ---- Back to CenterNet ----

@pytest.mark.parametrize('trunk, fields, words', [
    (TrunkConfig('shufflenet_v2_x0_5'), {}, '^trunk: .*shufflenet_v2_x0_5.* is not one of dla_34'),
    (TrunkConfig('resnet18', 'deconv', 32, True), {}, 'channels=32, .* is not one of'),
    (ARCHITECTURES[SMALL].trunk, {'relative': True}, '^detection: .* relative maps'),
    (ARCHITECTURES[SMALL].trunk, {'head': {'layout': 'shared'}}, '^detection: .* shared layout')])
def test_networks_that_centernet_does_not_have(trunk, fields, words):
    with torch.device('meta'):
        model = MultiTaskNet(ModelConfig({'detection': fields}, trunk))
    with pytest.raises(ValueError, match=words):
        centernet_state(model, 'detection')
