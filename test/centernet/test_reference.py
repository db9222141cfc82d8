# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
CenterNet's networks, against those that its checkpoints become.

They are written down a second time here, from the papers and from CenterNet's naming, as functions
of a state dict: s is a state dict in its names, n the name of a layer.
"""

import pytest
import torch
from torch.nn import functional
from torchvision.ops import deform_conv2d

from mcn_ros.centernet import build_network, read_centernet
from mcn_ros.centernet.checkpoint import MEAN, STD
from mcn_ros.centernet.names import ARCHITECTURES, HEADS
from mcn_ros.model import ModelConfig, MultiTaskNet


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


@pytest.mark.parametrize('architecture, task, width', [
    ('dla_34', 'detection', 8), ('dla_34', 'pose', 0), ('dlav0_34', 'detection', 8),
    ('resdcn_18', 'detection', 0), ('resdcn_18', 'pose', 8), ('res_18', 'detection', 8)])
def test_the_network_answers_as_centernet(architecture, task, width, tmp_path, random_state, save):
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
