# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node measured: real processes over real topics, with a tiny network."""

import json

import pytest

from mcn_ros.benchmark.node import latency_table, load_table
from mcn_ros.commands import node_times
from mcn_ros.commands.processes import last_words
from mcn_ros.runtime import RuntimeConfig

pytest.importorskip('rclpy')


@pytest.fixture(scope='module')
def measured(tiny_weights, tmp_path_factory):
    folder, told = tmp_path_factory.mktemp('node'), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node_times, 'RUNS', {'one camera': (1, 1), 'two nodes': (2, 2)})
        found = node_times.measure(str(tiny_weights), RuntimeConfig('cpu', 'torch'), 1.0,
                                   folder / 'log', told.append, least_s=0.7)
    assert told == ['one camera', 'two nodes']
    assert last_words(folder / 'log' / 'one_camera' / 'timed_node.0.txt')
    return found


def test_single_images_are_timed_at_both_sizes(measured):
    assert [row['size'] for row in measured['latency']] == [[480, 640], [1080, 1920]]
    for row in measured['latency']:
        assert row['published']['frames'] == row['transport']['frames'] >= 5
        for name in ('published', 'predictor', 'transport'):
            assert 0 < row[name]['p50'] <= row[name]['p95'] <= row[name]['p99']
        assert row['published']['p50'] > row['predictor']['p50']


def test_all_cameras_of_all_nodes_are_answered(measured):
    one, fast, two = measured['load']
    assert (one['cameras'], one['nodes'], one['rate']) == (1, 1, node_times.RATE)
    assert fast['rate'] == node_times.OVERLOAD
    assert (two['cameras'], two['nodes']) == (2, 2)
    assert list(two['answered']) == ['camera_0', 'camera_1'] and min(two['answered'].values()) > 1
    for row in (one, fast, two):
        assert all(row['answered'][name] <= row['sent'][name] for name in row['sent'])
        assert row['cpu_ms_per_frame'] > 0 and 0 < row['pss'] <= row['rss']
    assert two['rss'] > 1.5 * one['rss']


def test_the_figures_fit_into_tables_and_files(measured):
    assert len(latency_table(measured['latency']).splitlines()) == 4
    assert len(load_table(measured['load']).splitlines()) == 5
    assert json.loads(json.dumps(measured)) == measured


def test_wrong_weights_are_refused_before_anything_starts(tmp_path):
    with pytest.raises(ValueError, match='no such file: nowhere'):
        node_times.measure('nowhere', RuntimeConfig('cpu', 'torch'), 1.0, tmp_path / 'log')
    assert not (tmp_path / 'log').exists()
