# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the report of experiments tells of finished networks beside their scores."""

import cv2
import numpy as np
import pytest
import torch

from mcn_ros.benchmark import costs, sections, stopwatch
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import CrossConnectedConfig, TrunkConfig
from mcn_ros.network.trunks.separate import StreamConfig
from mcn_ros.trainer.experiments import Experiments, Network
from mcn_ros.weights_file import save_model

TASKS = {name: {'classes': ['person'], 'head': {'width': 8}}
         for name in ('detection', 'segmentation')}
EXPERIMENTS = Experiments('base.yaml', (0, 1), {
    'one': Network('One'), 'same': Network('The same'), 'two': Network('Two streams')}, (),
    costs={'detection.AP': 'AP'})


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp('weights')
    streams = {task: StreamConfig((task,), 'shufflenet_v2_x0_5', channels=8) for task in TASKS}
    trunks = {'one': TrunkConfig('shufflenet_v2_x0_5', channels=8)}
    trunks |= {'same': trunks['one'], 'two': CrossConnectedConfig(streams)}
    for name, trunk in trunks.items():
        save_model(MultiTaskNet(ModelConfig(TASKS, trunk, (64, 64))), folder / name)
    return {name: folder / name for name in trunks}


def cells(text):
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines()]


def test_costs_stand_beside_scores(weights, monkeypatch):
    monkeypatch.setattr(sections, 'SECONDS', 0.1)
    monkeypatch.setattr(stopwatch, 'WARM_UP_S', 0.0)
    monkeypatch.setattr(costs, 'BACKENDS', ('torch',))
    scores = {name: [{'detection': {'AP': 0.25}}, {'detection': {'AP': 0.75}}] for name in weights}
    scores['two'] = [{}]
    heading, text, table = sections.cost_section(EXPERIMENTS, weights, scores)
    header, _, one, same, two = cells(table)
    assert header == ['network', 'parameters', 'multiplications', 'torch, ms', 'AP']
    assert [row[0] for row in (one, same, two)] == ['One', 'The same', 'Two streams']
    assert one[1:] == same[1:]  # one measurement for one architecture
    assert one[-1] == '50.00 ± 35.36 (2 seeds)' and two[-1] == '-'
    whole = MultiTaskNet(ModelConfig(TASKS, TrunkConfig('shufflenet_v2_x0_5', channels=8)))
    assert one[1] == f'{sum(value.numel() for value in whole.parameters()) / 1e6:.2f} M'
    assert float(two[1].split()[0]) > 1.5 * float(one[1].split()[0])
    assert f'PyTorch with {torch.get_num_threads()} thread' in text
    assert sections.cost_section(EXPERIMENTS, {}, {}) == []


def test_who_listens_is_drawn(weights, tmp_path):
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'images' / 'a.png'), np.full((64, 64, 3), 99, np.uint8))
    folders = dict.fromkeys(weights, str(tmp_path / 'images'))
    picture = tmp_path / 'report' / 'listening.png'
    picture.parent.mkdir()
    *_, table, link = sections.listening_section(EXPERIMENTS, weights, folders, picture)
    assert {row[0] for row in cells(table)[2:]} == {'Two streams'}
    assert link.endswith('(report/listening.png)') and cv2.imread(str(picture)) is not None
    del weights['two']
    assert sections.listening_section(EXPERIMENTS, weights, folders, picture) == []
