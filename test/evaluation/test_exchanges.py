# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Who listens to whom: what is measured of streams that exchange."""

import numpy as np
import pytest
import torch

from mcn_ros.evaluation.exchanges import measure_shares, Share, shares_table
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import CrossConnectedConfig, CrossStitchConfig, TrunkConfig
from mcn_ros.network.trunks.separate import StreamConfig

TASKS = {name: {'classes': ['person'], 'head': {'width': 8}}
         for name in ('detection', 'segmentation')}


def network(kind, tasks=tuple(TASKS), three=False, **settings):
    names = {'boxes': tasks[:1], 'areas': tasks[1:], **({'third': ()} if three else {})}
    streams = {name: StreamConfig(own, 'shufflenet_v2_x0_5', channels=8)
               for name, own in names.items()}
    torch.manual_seed(0)
    trunk = kind(streams, **settings)
    return MultiTaskNet(ModelConfig({task: TASKS[task] for task in tasks}, trunk, (64, 64))).eval()


@pytest.fixture(scope='module')
def images():
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, size, np.uint8) for size in ((64, 64, 3), (40, 90, 3))]


def test_the_shares_of_stitches_are_their_weights(images):
    model = network(CrossStitchConfig, start=0.8)
    for name in ('boxes', 'areas'):  # the same streams see the same
        model.trunk.members[name].load_state_dict(model.trunk.members['boxes'].state_dict())
    shares = measure_shares(model, images)
    assert [(each.stage, each.listener, each.origin) for each in shares] == [
        (stage, *pair) for stage in (1, 2, 3, 4)
        for pair in (('boxes', 'areas'), ('areas', 'boxes'))]
    assert [each.size for each in shares] == pytest.approx([0.25] * 8)
    assert all(each.gate is None for each in shares)


def test_gates_open_what_is_given(images):
    model = network(CrossConnectedConfig, start='gate')
    assert {(each.size, each.gate) for each in measure_shares(model, images)} == {(0.0, 0.0)}
    connection = model.trunk.exchanges['2']['areas']['boxes']
    sizes = []
    for gate in (0.5, -1.0):
        torch.nn.init.constant_(connection.gate.values, gate)
        opened, = [each for each in measure_shares(model, images) if each.size]
        assert (opened.stage, opened.listener, opened.origin) == (2, 'areas', 'boxes')
        assert opened.gate == gate
        sizes.append(opened.size)
    assert sizes[1] == pytest.approx(2 * sizes[0])


def test_streams_without_tasks_listen_up_to_the_last_stage_but_one(images):
    shares = measure_shares(network(CrossConnectedConfig, ('detection',)), images)
    assert [each.stage for each in shares if each.listener == 'areas'] == [1, 2, 3]
    assert [each.stage for each in shares if each.listener == 'boxes'] == [1, 2, 3, 4]
    assert all(0 < each.size < 0.1 for each in shares)


def test_of_three_streams_the_mean_gives_half_of_each(images):
    first = [[each.size for each in measure_shares(
        network(CrossConnectedConfig, three=True, mean=mean), images) if each.stage == 1]
        for mean in (False, True)]
    assert len(first[0]) == 6 and first[0] == pytest.approx([2 * size for size in first[1]])


def test_others_have_nothing_to_measure(images):
    plain = MultiTaskNet(ModelConfig(TASKS, TrunkConfig('shufflenet_v2_x0_5', channels=8),
                                     (64, 64)))
    assert measure_shares(plain, images) == []


def test_the_table():
    text = shares_table({'Gated': [Share(1, 'a', 'b', 0.125, 0.25), Share(2, 'a', 'b', 0.5, -1.0)],
                         'Stitched': [Share(2, 'b', 'a', 0.05)]})
    assert [[cell.strip() for cell in line.strip('|').split('|')]
            for line in text.splitlines()[2:]] == [
        ['Gated', 'a', 'b', '12.5%', '50.0%'], ['Gated', 'a', 'b: gate', '+0.250', '-1.000'],
        ['Stitched', 'b', 'a', '', '5.0%']]
