# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Parameters and multiplications: the reference's counts, and every row of the paper's table."""

import pytest
import torch
from torch import nn

from mcn_ros.benchmark import complexity
from mcn_ros.benchmark.architectures import network_config
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig

HEAD = {'width': 8}
TRUNK = TrunkConfig('shufflenet_v2_x0_5', 'aggregation', 8, True)
TASKS = {'detection': {'classes': ['person', 'dog'], 'head': HEAD}, 'pose': {'head': HEAD},
         'segmentation': {'classes': ['person'], 'head': HEAD}}


@pytest.fixture(scope='module')
def tiny():
    return complexity.measure('tiny', ModelConfig(TASKS, TRUNK, (64, 96)))


def test_dla_34_has_the_size_of_the_reference():
    """The reference has 19.21 M, two layers that it never uses included, and 25.50 G."""
    found = complexity.measure('dla34', network_config('dla34'))
    rows = {tuple(row['tasks']): row for row in found['rows']}
    assert rows['segmentation',]['parameters'] == 19_169_440 + 42_193
    assert rows['segmentation',]['macs'] / 1e9 == pytest.approx(25.50 - 0.067 + 0.69, abs=0.01)
    assert found['parameter_ratio'] == pytest.approx(2.96, abs=0.01)


def test_the_trunk_is_counted_once_in_a_network_of_several_tasks(tiny):
    rows = {tuple(row['tasks']): row for row in tiny['rows']}
    for key in ('parameters', 'macs'):
        added = rows['segmentation', 'detection'][key] - rows['segmentation',][key]
        assert rows['segmentation', 'detection', 'pose'][key] \
            == rows['detection', 'pose'][key] + rows['segmentation', 'detection'][key] \
            - rows['detection',][key]
        assert 0 < added < rows['detection',][key]
    assert 1 < tiny['mac_ratio'] < 3 and 1 < tiny['parameter_ratio'] < 3


def test_deformable_convolutions_are_counted():
    """As many multiplications as the plain one has, and those of the layer that moves the taps."""
    config = network_config('resnet18_plain')
    with torch.device('meta'):
        plain = MultiTaskNet(config)
        deformable = MultiTaskNet(network_config('resnet18'))
    moved = sum(layer.weight.numel() * size ** 2 for layer, size in zip(
        (module.sampling for module in deformable.modules() if hasattr(module, 'sampling')),
        (16, 32, 64)))
    assert complexity.count_macs(deformable) - complexity.count_macs(plain) == moved
    assert isinstance(next(deformable.trunk.parameters()), nn.Parameter)


def test_the_table_has_every_row_and_the_sums(tiny):
    lines = complexity.table([tiny]).splitlines()
    assert [line.split('|')[2].strip() for line in lines[2:]] == [
        'Seg', 'Det', 'Pose', 'Det + Pose', 'Seg + Det', 'Seg + Det + Pose', '3 STN',
        '**3 STN / 1 MCN**']
    assert f'**{tiny["mac_ratio"]:.2f}**' in lines[-1]


@pytest.mark.parametrize('tasks, expected', [
    (['pose'], ['Pose']),
    (['pose', 'segmentation'], ['Seg', 'Pose', 'Pose + Seg', '2 STN', '**2 STN / 1 MCN**'])])
def test_networks_with_fewer_tasks_have_fewer_rows(tasks, expected):
    config = ModelConfig({name: TASKS[name] for name in tasks}, TRUNK, (64, 64))
    lines = complexity.table([complexity.measure('some', config)]).splitlines()[2:]
    assert [line.split('|')[2].strip() for line in lines] == expected


# ---- Kinds of trunks: what sharing saves, and what exchanges cost ----

NECKS = {'resnet18': 'deconv', 'shufflenet_v2_x1_0': 'top_down', 'dla34': 'aggregation'}
# Millions of parameters and GMAC at 512x512, without heads, of two streams, and of three.
TRUNK_ROWS = {
    'resnet18': {
        'shared': ((14.10, 11.19), (14.10, 11.19)), 4: ((17.03, 12.90), (19.96, 14.61)),
        3: ((25.42, 15.05), (36.74, 18.90)), 2: ((27.52, 17.19), (40.94, 23.20)),
        1: ((28.05, 19.34), (41.99, 27.49)), 'separate': ((28.21, 22.37), (42.31, 33.56)),
        'cross_connected': ((28.90, 22.91), (44.40, 35.17))},
    'shufflenet_v2_x1_0': {
        4: ((.980, 1.283), (1.081, 1.609)), 2: ((1.725, 1.736), (2.572, 2.515)),
        'separate': ((1.756, 1.913), (2.634, 2.869)),
        'cross_connected': ((2.324, 2.262), (4.338, 3.918))},
    'dla34': {
        6: ((21.83, 30.23), (25.13, 37.35)), 'separate': ((37.06, 46.22), (55.59, 69.32)),
        'cross_connected': ((37.76, 47.02), (57.69, 71.74))}}
# Parameters and millions of multiplications that stitches add to separate trunks.
STITCHES = {'resnet18': ((3840, 8), (8640, 18)), 'shufflenet_v2_x1_0': ((3344, 5), (7524, 11)),
            'dla34': ((4032, 33), (9072, 74))}
SOME = [('resnet18', 2, 2), ('resnet18', 'cross_connected', 3),
        ('shufflenet_v2_x1_0', 'cross_connected', 2), ('dla34', 'cross_connected', 2)]
MILLIONTHS = {'resnet18': 6e-3, 'shufflenet_v2_x1_0': 6e-4, 'dla34': 6e-3}


def joined(backbone, kind, count):
    """Return a network whose trunk has so many streams, without memory for its weights."""
    part = {'backbone': backbone, 'neck': NECKS[backbone], 'channels': 64}
    tasks = {name: TASKS[name] for name in list(TASKS)[:count]}
    streams = {name: {**part, 'tasks': [name]} for name in tasks}
    trunk = {'kind': 'shared', **part} if kind == 'shared' else (
        {'kind': 'branched', 'streams': streams, 'shared_stages': kind} if isinstance(kind, int)
        else {'kind': kind, 'streams': streams})
    with torch.device('meta'):
        return MultiTaskNet(ModelConfig(tasks, trunk, (512, 512)))


def trunk_macs(model):
    """Return the multiplications of a network but for its heads."""
    macs = complexity.count_macs(model)
    for head in model.heads.values():
        macs -= sum(layer.weight.numel() * 128 ** 2 for layer in head.modules()
                    if isinstance(layer, nn.Conv2d))
    return macs


@pytest.mark.parametrize('backbone', TRUNK_ROWS)
def test_how_many_parameters_kinds_of_trunks_have(backbone):
    for kind, row in TRUNK_ROWS[backbone].items():
        for count, (millions, _) in zip((2, 3), row):
            found = complexity.count_parameters(joined(backbone, kind, count).trunk)
            assert found / 1e6 == pytest.approx(millions, abs=MILLIONTHS[backbone]), (kind, count)
    for count, (parameters, _) in zip((2, 3), STITCHES[backbone]):
        stitched, separate = (complexity.count_parameters(joined(backbone, kind, count).trunk)
                              for kind in ('cross_stitch', 'separate'))
        assert stitched - separate == parameters


@pytest.mark.parametrize('backbone, kind, count', SOME)
def test_how_many_multiplications_kinds_of_trunks_cost(backbone, kind, count):
    giga = TRUNK_ROWS[backbone][kind][count - 2][1]
    assert trunk_macs(joined(backbone, kind, count)) / 1e9 == pytest.approx(
        giga, abs=MILLIONTHS[backbone])


def test_how_many_multiplications_stitches_cost():
    separate = TRUNK_ROWS['shufflenet_v2_x1_0']['separate'][1][1]
    found = trunk_macs(joined('shufflenet_v2_x1_0', 'cross_stitch', 3)) / 1e6
    millions = STITCHES['shufflenet_v2_x1_0'][1][1]
    assert found - 1000 * separate == pytest.approx(millions, abs=1)
