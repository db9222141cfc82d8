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
