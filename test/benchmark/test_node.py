# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sums over what the nodes told: overhead, rates, fairness, memory."""

import pytest

from mcn_ros.benchmark.node import latency, latency_table, load, load_table, MIB

CAMERAS = ('left', 'right')


def answer(camera, stamp_s, published_ms, predictor_ms=20.0, batch=1, cpu_s=0.0, pid=7):
    return {'camera': camera, 'stamp_ns': int(stamp_s * 1e9), 'arrived_ms': 1.0,
            'published_ms': published_ms, 'predictor_ms': predictor_ms, 'batch': batch,
            'cpu_s': cpu_s, 'pid': pid}


def record(answers, rate=0.0, echo=(), sent=None, memory=None):
    return {'phase': {'name': 'p', 'size': [480, 640], 'seconds': 1.0, 'rate': rate},
            'sent': sent or {'left': 10, 'right': 10}, 'answers': answers, 'echo_ms': list(echo),
            'memory': memory or {'7': {'Rss': 3 * MIB, 'Pss': 2 * MIB}}}


def test_overhead_is_what_neither_predictor_nor_transport_took():
    answers = [answer('left', index, 30.0 + index, predictor_ms=20.0 + 2 * index)
               for index in range(3)]
    row = latency(record(answers, echo=[4.0, 3.0, 100.0]))
    assert row['published']['p50'] == 31 and row['predictor']['p50'] == 22
    assert row['transport']['p50'] == 4
    # By frame: 10, 9 and 8 ms beside the predictor, less 4 ms of transport.
    assert row['overhead']['p50'] == 5 and row['overhead']['p99'] == pytest.approx(6, abs=0.1)
    line = latency_table([row]).splitlines()[2]
    assert line == '| 640x480 | 31.0 / 31.9 / 32.0 | 22.0 | 4.0 (1.0) | 5.0 (p95 5.9) | 3 |'


def test_rates_are_from_the_first_result_to_the_last():
    answers = [answer(CAMERAS[index % 2], 10 + 0.1 * index, 50.0, cpu_s=5 + 0.15 * index)
               for index in range(11)]
    row = load(record(answers, rate=30.0))
    assert row['frames_per_second'] == pytest.approx(10)
    assert row['ms_per_frame'] == pytest.approx(100)
    assert row['cpu_ms_per_frame'] == pytest.approx(150)
    assert row['cpu_share'] == pytest.approx(1.5)
    assert row['answered'] == {'left': 6, 'right': 5} and row['nodes'] == 1
    assert '| 5 to 6 |' in load_table([row])


def test_two_nodes_add_up():
    answers = [answer(camera, 10 + 0.1 * index, 50.0, cpu_s=0.05 * index, pid=pid)
               for pid, camera in ((7, 'left'), (8, 'right')) for index in range(11)]
    memory = {'7': {'Rss': 3 * MIB, 'Pss': 2 * MIB}, '8': {'Rss': 3 * MIB, 'Pss': 1 * MIB}}
    row = load(record(answers, rate=30.0, memory=memory))
    assert row['frames_per_second'] == pytest.approx(20)
    assert row['cpu_ms_per_frame'] == pytest.approx(50)
    assert (row['nodes'], row['pss'], row['rss']) == (2, 3 * MIB, 6 * MIB)
    assert '| 2 in 2 nodes | 30 Hz, 640x480 | 20.0 | 11 to 11 | 50.0 ms |' in load_table([row])


def test_a_camera_that_got_nothing_is_seen():
    answers = [answer('left', index, 50.0) for index in range(3)]
    assert '| 0 to 3 |' in load_table([load(record(answers, rate=30.0))])


@pytest.mark.parametrize('answers', [[], [answer('left', 1, 5.0)]])
def test_too_few_answers_are_an_error(answers):
    with pytest.raises(ValueError, match='too few frames'):
        load(record(answers, rate=30.0))
