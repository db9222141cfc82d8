# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Checkpoints of CenterNet: the networks that they become, and what is refused.

The networks are written down a second time here, as functions of a state dict in the names of
CenterNet, from the papers and from its naming.
"""

from dataclasses import replace
import pickle
import re
import zipfile

import pytest
import torch
from torch.nn import functional
from torchvision.ops import deform_conv2d

from mcn_ros.centernet_weights import build_network, centernet_state, read_centernet
from mcn_ros.centernet_weights.checkpoint import MEAN, STD
from mcn_ros.centernet_weights.names import ARCHITECTURES, DROPPED, HEADS
from mcn_ros.model import load_model, ModelConfig, MultiTaskNet, save_model
from mcn_ros.network.blocks import DeformableConv
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.vocabulary import COCO_CLASSES

FIELDS = {'detection': {'classes': COCO_CLASSES}, 'pose': {}}
SMALL = 'resdcn_18'


# ---- CenterNet's networks: s is a state dict, n the name of a layer ----

def conv(s, n, x, stride=1):
    weight = s[f'{n}.weight']
    return functional.conv2d(x, weight, s.get(f'{n}.bias'), stride, weight.shape[-1] // 2)


def norm(s, n, x):
    return functional.batch_norm(x, s[f'{n}.running_mean'], s[f'{n}.running_var'],
                                 s[f'{n}.weight'], s[f'{n}.bias'])


def layer(s, n, x, stride=1):
    return norm(s, f'{n}.1', conv(s, f'{n}.0', x, stride)).relu()


def enlarged(s, n, x):
    """Enlarge every channel for itself."""
    weight = s[f'{n}.weight']
    factor = weight.shape[-1] // 2
    return functional.conv_transpose2d(x, weight, stride=factor, padding=factor // 2,
                                       groups=len(weight))


def doubled(s, n, m, x):
    x = functional.conv_transpose2d(x, s[f'{n}.weight'], stride=2, padding=1)
    return norm(s, m, x).relu()


def deformable(s, n, x):
    sampling = conv(s, f'{n}.conv_offset_mask', x)
    return deform_conv2d(x, sampling[:, :18], s[f'{n}.weight'], s[f'{n}.bias'], padding=1,
                         mask=sampling[:, 18:].sigmoid())


def residual(s, n, x, stride, shortcut):
    y = norm(s, f'{n}.bn1', conv(s, f'{n}.conv1', x, stride)).relu()
    return (norm(s, f'{n}.bn2', conv(s, f'{n}.conv2', y)) + shortcut).relu()


def tree(s, n, depth, x, stride=1, joins_input=False, others=()):
    shrunk = functional.max_pool2d(x, stride)
    others = [*others, shrunk] if joins_input else [*others]
    if depth > 1:
        first = tree(s, f'{n}.tree1', depth - 1, x, stride)
        return tree(s, f'{n}.tree2', depth - 1, first, others=[*others, first])
    shortcut = shrunk
    if f'{n}.project.0.weight' in s:
        shortcut = norm(s, f'{n}.project.1', conv(s, f'{n}.project.0', shrunk))
    first = residual(s, f'{n}.tree1', x, stride, shortcut)
    second = residual(s, f'{n}.tree2', first, 1, first)
    joined = torch.cat([second, first, *others], dim=1)
    return norm(s, f'{n}.root.bn', conv(s, f'{n}.root.conv', joined)).relu()


def dla(s, x):
    """Return the maps of strides 4, 8, 16, 32."""
    x = layer(s, 'base.base_layer', x)
    x = layer(s, 'base.level1', layer(s, 'base.level0', x), 2)
    maps = [tree(s, 'base.level2', 1, x, 2)]
    for level, depth in ((3, 2), (4, 2), (5, 1)):
        maps.append(tree(s, f'base.level{level}', depth, maps[-1], 2, joins_input=True))
    return maps


def dla_34(s, x):
    def spatial(n, x):
        return norm(s, f'{n}.actf.0', deformable(s, f'{n}.conv', x)).relu()

    def aggregate(n, maps):
        results = [maps[0]]
        for i, coarse in enumerate(maps[1:], 1):
            coarse = enlarged(s, f'{n}.up_{i}', spatial(f'{n}.proj_{i}', coarse))
            results.append(spatial(f'{n}.node_{i}', coarse + results[-1]))
        return results

    maps = dla(s, x)
    finest = []
    for i in range(3):
        maps[2 - i:] = aggregate(f'dla_up.ida_{i}', maps[2 - i:])
        finest.insert(0, maps[-1])
    return aggregate('ida_up', finest)[-1]


def dlav0_34(s, x):
    maps = dla(s, x)
    for i in range(3):
        n, x, results = f'dla_up.ida_{i}', maps[2 - i], []
        for j, coarse in enumerate(maps[3 - i:], 1):
            coarse = enlarged(s, f'{n}.up_{j}', layer(s, f'{n}.proj_{j}', coarse))
            x = layer(s, f'{n}.node_{j}', torch.cat([x, coarse], dim=1))
            results.append(x)
        maps[3 - i:] = results
    return x


def resnet_18(s, x):
    x = norm(s, 'bn1', functional.conv2d(x, s['conv1.weight'], stride=2, padding=3)).relu()
    x = functional.max_pool2d(x, 3, 2, 1)
    for stage in range(1, 5):
        for block in range(2):
            n, stride, shortcut = f'layer{stage}.{block}', 1, x
            if stage > 1 and block == 0:
                stride = 2
                shortcut = norm(s, f'{n}.downsample.1', functional.conv2d(
                    x, s[f'{n}.downsample.0.weight'], stride=2))
            x = residual(s, n, x, stride, shortcut)
    return x


def resdcn_18(s, x):
    x, n = resnet_18(s, x), 'deconv_layers'
    for i in (0, 6, 12):
        x = norm(s, f'{n}.{i + 1}', deformable(s, f'{n}.{i}', x)).relu()
        x = doubled(s, f'{n}.{i + 3}', f'{n}.{i + 4}', x)
    return x


def res_18(s, x):
    x, n = resnet_18(s, x), 'deconv_layers'
    for i in (0, 3, 6):
        x = doubled(s, f'{n}.{i}', f'{n}.{i + 1}', x)
    return x


def head(s, n, x):
    if f'{n}.weight' in s:
        return conv(s, n, x)
    return conv(s, f'{n}.2', conv(s, f'{n}.0', x).relu())


TRUNKS = {'dla_34': dla_34, 'dlav0_34': dlav0_34, 'resdcn_18': resdcn_18, 'res_18': res_18}


# ---- Random checkpoints ----

def network(architecture=SMALL, task='detection', width=8, seed=0, calibrated=False, **fields):
    """Return a network whose parameters and statistics all have values of their own."""
    torch.manual_seed(seed)
    fields = {**FIELDS[task], 'head': {'width': width}, **fields}
    model = MultiTaskNet(ModelConfig({task: fields}, ARCHITECTURES[architecture].trunk))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, DeformableConv):
                module.sampling.weight.normal_(std=0.003)
                module.sampling.bias.normal_()
            elif isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(std=0.2)
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 1.5)
                module.momentum = 0.9
        if calibrated:  # or numbers would fade away from layer to layer
            model.train()(torch.randint(0, 256, (2, 3, 64, 64)).float())
    return model.eval()


def random_state(*args, **kwargs):
    """Return a state dict as CenterNet saves it, with what no network needs."""
    model = network(*args, **kwargs)
    task, = model.tasks
    state = centernet_state(model, task)
    if any(name.startswith('base.') for name in state):
        state |= {'base.fc.weight': torch.randn(10, 512, 1, 1), 'base.fc.bias': torch.randn(10),
                  'base.level3.project.0.weight': torch.randn(128, 64, 1, 1),
                  'base.level4.project.1.num_batches_tracked': torch.tensor(3)}
    return state


def save(path, state, prefix='', **others):
    state = {f'{prefix}{name}': value for name, value in state.items()}
    torch.save({'epoch': 140, 'state_dict': state, **others}, path)
    return path


@pytest.fixture(scope='module')
def state():
    return random_state()


@pytest.fixture(scope='module')
def pose_state():
    return random_state(task='pose', seed=1)


# ---- What they become ----

@pytest.mark.parametrize('architecture, task, width', [
    ('dla_34', 'detection', 8), ('dla_34', 'pose', 0), ('dlav0_34', 'detection', 8),
    ('resdcn_18', 'detection', 0), ('resdcn_18', 'pose', 8), ('res_18', 'detection', 8)])
def test_the_network_answers_as_centernet(architecture, task, width, tmp_path):
    state = random_state(architecture, task, width, calibrated=True)
    model = build_network([read_centernet(save(tmp_path / 'w.pth', state))]).double()
    images = torch.randint(0, 256, (1, 3, 64, 96))
    with torch.no_grad():
        found = model(images)[task]
        mean, std = (torch.tensor(values).double()[:, None, None] for values in (MEAN, STD))
        doubles = {name: value.double() for name, value in state.items()}
        features = TRUNKS[architecture](doubles, (images.flip(1) / 255 - mean) / std)
        for theirs, ours in HEADS[task].items():
            expected = head(doubles, theirs, features)
            assert expected.std() > 1e-3
            torch.testing.assert_close(found[ours], expected, rtol=1e-4, atol=1e-5)


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
def test_a_round_trip_loses_nothing_but_what_is_listed(architecture, task, prefix, tmp_path):
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


@pytest.mark.parametrize('architecture, task, width, count', [
    # Of the reference, without what it does not use; with it 20,188,892 and 20,625,346.
    ('dla_34', 'detection', 256, 19_634_164),
    ('dla_34', 'pose', 256, 20_070_618),
    ('dlav0_34', 'detection', 256, 18_474_476 - 513_000 - 41_728),
    ('resdcn_18', 'detection', 64, 14_437_349),
    ('resdcn_101', 'detection', 64, 49_673_189),
    ('res_18', 'detection', 64, 15_820_372)])
def test_parameters_are_those_of_the_reference(architecture, task, width, count):
    with torch.device('meta'):
        model = MultiTaskNet(ModelConfig(
            {task: {'head': {'width': width}}}, ARCHITECTURES[architecture].trunk))
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_the_weights_say_what_they_expect(tmp_path, state, pose_state):
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
def test_other_classes(tmp_path, count, given, expected):
    state = random_state(classes=COCO_CLASSES[:count])
    checkpoint = read_centernet(save(tmp_path / 'w.pth', state), given)
    assert checkpoint.fields['classes'] == expected


def test_counters_of_batches_may_be_absent(tmp_path, state):
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


def test_two_trunks_where_they_differ(tmp_path, state, pose_state):
    checkpoints = [read_centernet(save(tmp_path / 'd.pth', state)),
                   read_centernet(save(tmp_path / 'p.pth', pose_state))]
    model = build_network(checkpoints)
    assert model.config.trunk.own == ('pose',)
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


def test_one_trunk_where_they_are_the_same(tmp_path, state, pose_state):
    shared = same_trunk(state, pose_state)
    model = build_network([read_centernet(save(tmp_path / 'd.pth', state)),
                           read_centernet(save(tmp_path / 'p.pth', shared))])
    assert model.config.trunk.own == () and list(model.tasks) == ['detection', 'pose']
    for task, expected in (('detection', state), ('pose', shared)):
        back = centernet_state(model, task)
        assert back.keys() == expected.keys()
        assert all(torch.equal(value, expected[name]) for name, value in back.items())


def test_checkpoints_that_do_not_go_together(tmp_path, state):
    first = read_centernet(save(tmp_path / 'first.pth', state))
    with pytest.raises(ValueError, match='^.*first.pth: for detection, as is .*first.pth$'):
        build_network([first, first])
    with pytest.raises(ValueError, match='^w: its trunk is res_18, that of .* is resdcn_18; '):
        build_network([first, replace(first, path='w', architecture='res_18')])


# ---- What is refused ----

def refusal(path, classes=()):
    """Return the message of the one error that there may be."""
    with pytest.raises(ValueError) as info:
        read_centernet(path, classes)
    message = str(info.value)
    assert '\n' not in message and str(path) in message
    return message


def changed(**changes):
    """Return a function that changes weights; None takes them away."""
    def change(state):
        return {name: value for name, value in {**state, **changes}.items() if value is not None}
    return change


@pytest.mark.parametrize('change, words', [
    (changed(**{'layer2.1.bn1.bias': None}), 'no resdcn_18 for detection: it lacks layer2.1.bn1'),
    (changed(**{'reg.2.bias': None, 'reg.0.bias': None}), 'lacks reg.0.bias, reg.2.bias'),
    (changed(**{'dep.0.weight': torch.zeros(1)}), 'it has unknown dep.0.weight'),
    (changed(**{'dep\n\033[1m': torch.zeros(1)}), r"it has unknown 'dep\\n\\x1b\[1m'"),
    (changed(**{'hm_hp.0.weight': torch.zeros(1)}), 'it has unknown hm_hp.0.weight'),
    (changed(**{'hps.2.weight': torch.zeros(34, 8, 1, 1)}), 'for pose: it lacks hm_hp.0.bias'),
    (changed(**{'hps.2.weight': torch.zeros(8, 8, 1, 1)}), 'skeleton has 4 joints .*coco17'),
    (changed(**{'wh.2.weight': torch.zeros(160, 8, 1, 1)}), 'another shape of wh.2.weight'),
    (changed(**{'reg.0.weight': torch.zeros(9, 64, 3, 3)}), 'another shape of reg.0.weight'),
    (changed(**{'hm.2.weight': torch.zeros(80)}), 'lacks hm.2.weight'),
    (changed(**{'hm.0.weight': None}), 'lacks hm.weight'),
    (changed(**{'hm.2.bias': torch.zeros(1).expand(80)}), 'no plain numbers as hm.2.bias'),
    (changed(**{'hm.2.bias': torch.zeros(80).to_sparse()}), 'no plain numbers as hm.2.bias'),
    (changed(**{'hm.2.bias': 3}), 'no plain numbers as hm.2.bias'),
    (lambda state: {f'kps.{name}': value for name, value in state.items()},
     'of no known architecture .*dla_34, dlav0_34, resdcn_18'),
    (lambda state: {}, 'of no known architecture')])
def test_states_that_are_refused(tmp_path, state, change, words):
    assert re.search(words, refusal(save(tmp_path / 'w.pth', change(state))))


def test_classes_that_do_not_fit(tmp_path, state, pose_state):
    path = save(tmp_path / 'w.pth', state)
    assert refusal(path, ['cat', 'dog']) == f'classes: 2 given, but {path} has 80'
    path = save(tmp_path / 'p.pth', pose_state)
    assert refusal(path, ['person']) == f'classes: given, but {path} is for poses'


@pytest.mark.parametrize('zipped', [True, False])
def test_every_truncated_file_is_refused(tmp_path, zipped):
    whole, path = tmp_path / 'whole.pth', tmp_path / 'w.pth'
    torch.save({'epoch': 1, 'state_dict': {'hm.weight': torch.zeros(2, 3, 1, 1)}}, whole,
               _use_new_zipfile_serialization=zipped)
    content = whole.read_bytes()
    for length in range(0, len(content), 11):
        path.write_bytes(content[:length])
        assert 'cannot be read as a checkpoint: ' in refusal(path)


class Code:
    """What runs when an ordinary unpickler reads it."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), 'w')


@pytest.mark.parametrize('write', [
    torch.save, lambda value, path: torch.save(value, path, _use_new_zipfile_serialization=False),
    lambda value, path: path.write_bytes(pickle.dumps(value, 2))], ids=['zip', 'old', 'pickle'])
def test_code_is_never_run(tmp_path, write):
    marker, path = tmp_path / 'marker', tmp_path / 'w.pth'
    write({'epoch': 1, 'state_dict': {'hm.weight': Code(marker)}}, path)
    assert 'cannot be read as a checkpoint: ' in refusal(path)
    assert not marker.exists()


def test_compressed_files_are_refused(tmp_path, state):
    plain, path = save(tmp_path / 'plain.pth', state), tmp_path / 'w.pth'
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as out:
        for name in source.namelist():
            out.writestr(name, source.read(name))
    assert refusal(path).endswith('cannot be read as a checkpoint: a compressed archive')


@pytest.mark.parametrize('content', [[], 3, {'state_dict': 4}, {'state_dict': {1: 2}}])
def test_files_without_weights_are_refused(tmp_path, content):
    torch.save(content, tmp_path / 'w.pth')
    assert refusal(tmp_path / 'w.pth').endswith('holds no state dict')


def test_no_such_file(tmp_path):
    assert 'cannot be read as a checkpoint: ' in refusal(tmp_path / 'nothing.pth')
    assert 'cannot be read as a checkpoint: ' in refusal(tmp_path)


# ---- Back to CenterNet ----

@pytest.mark.parametrize('trunk, fields, words', [
    (TrunkConfig('shufflenet_v2_x0_5'), {}, '^trunk: shufflenet_v2_x0_5 .* is not one of dla_34'),
    (TrunkConfig('resnet18', 'deconv', 32, True), {}, 'of 32 channels is not one of'),
    (ARCHITECTURES[SMALL].trunk, {'relative': True}, '^detection: .* relative maps'),
    (ARCHITECTURES[SMALL].trunk, {'head': {'layout': 'shared'}}, '^detection: .* shared layout')])
def test_networks_that_centernet_does_not_have(trunk, fields, words):
    with torch.device('meta'):
        model = MultiTaskNet(ModelConfig({'detection': fields}, trunk))
    with pytest.raises(ValueError, match=words):
        centernet_state(model, 'detection')
