# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The parts of a predictor: they add up, and measuring changes nothing."""

import numpy as np
import pytest
import torch

from mcn_ros.benchmark import predictor
from mcn_ros.benchmark.predictor import measure, PARTS, Splitter, table
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime import Predictor, RuntimeConfig

TINY = ModelConfig({'pose': {'head': {'width': 8}}},
                   TrunkConfig('shufflenet_v2_x0_5', 'top_down', 8), (64, 96))


@pytest.fixture(scope='module')
def tiny():
    torch.manual_seed(0)
    return Predictor(MultiTaskNet(TINY), RuntimeConfig('cpu', 'torch'))


@pytest.fixture(scope='module')
def rows(tiny):
    return measure(tiny, 0.3, [(48, 64), (90, 160)])


def test_the_parts_add_up(rows):
    assert [row['size'] for row in rows] == [[48, 64], [90, 160]]
    for row in rows:
        assert set(row['ms']) == {*PARTS, 'total'}
        assert all(figure['q1'] > 0 for figure in row['ms'].values())
        assert row['ms']['network']['median'] < row['ms']['total']['median']
        assert {figure['rounds'] for figure in row['ms'].values()} \
            == {row['ms']['total']['rounds']}


def test_the_split_is_where_the_network_is(tiny, monkeypatch):
    ticks = iter((1.0, 1.5, 3.5, 7.5))
    monkeypatch.setattr(predictor.time, 'perf_counter', lambda: next(ticks))
    splitter = Splitter(tiny)
    try:
        assert splitter(np.zeros((48, 64, 3), np.uint8)) == (500, 2000, 4000)
    finally:
        splitter.release()


def test_the_predictor_is_left_as_it_was(tiny):
    before = tiny.run
    measure(tiny, 0.01, [(48, 64)])
    assert tiny.run is before


def test_the_table_has_a_line_per_size(rows):
    lines = table(rows).splitlines()
    assert len(lines) == 4 and '64x48' in lines[2] and '160x90' in lines[3]
    assert f'{rows[0]["ms"]["total"]["median"]:.2f} (' in lines[2]
