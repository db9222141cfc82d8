# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Times: who is run when, and what is told of the times."""

import time

import numpy as np
import pytest
import torch

from mcn_ros.benchmark import stopwatch
from mcn_ros.benchmark.stopwatch import interleave, percentiles, show, spread, wall_ms


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(stopwatch, 'WARM_UP_PASSES', 1)
    monkeypatch.setattr(stopwatch, 'WARM_UP_S', 0.0)


def test_every_round_has_everyone_once_in_turning_order(quick):
    calls = []
    runs = {name: lambda name=name: calls.append(name) for name in 'abc'}
    times = interleave(runs, seconds=60, most=4)
    assert ''.join(calls) == 'abc' + 'abc' + 'cba' + 'abc' + 'cba'  # the first warms up
    assert {name: values.shape for name, values in times.items()} == dict.fromkeys('abc', (4,))


def test_times_are_those_of_the_runs(quick):
    ticks = iter(range(100))

    def clock(run):
        run()
        return next(ticks)

    times = interleave({'a': int, 'b': int}, 60, clock, most=2)
    assert times['a'].tolist() == [0, 3] and times['b'].tolist() == [1, 2]


def test_there_are_some_rounds_however_little_time_there_is(quick):
    times = interleave({'a': int}, seconds=-1)
    assert len(times['a']) == stopwatch.LEAST_ROUNDS


def test_the_time_is_kept(quick):
    start = time.monotonic()
    times = interleave({'a': lambda: time.sleep(0.02)}, seconds=0.5)
    assert stopwatch.LEAST_ROUNDS < len(times['a']) < 25
    assert time.monotonic() - start < 5  # one machine in a hundred is so busy


def test_the_wall_clock_tells_milliseconds():
    assert wall_ms(lambda: time.sleep(0.05)) >= 50


def test_the_clock_of_a_gpu_waits_for_the_results(monkeypatch):
    calls = []

    class Event:

        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            calls.append('record')

        def synchronize(self):
            calls.append('synchronize')

        def elapsed_time(self, end):
            calls.append('elapsed')
            return 5.0

    monkeypatch.setattr(stopwatch.torch.cuda, 'Event', Event)
    clock = stopwatch.pick_clock(torch.device('cuda:0'))
    assert clock(lambda: calls.append('run')) == 5.0
    assert calls == ['record', 'run', 'record', 'synchronize', 'elapsed']
    assert stopwatch.pick_clock(torch.device('cpu')) is wall_ms


def test_a_spread_is_the_middle_half():
    figure = spread(np.array([1.0, 2, 3, 4, 100]))
    assert figure == {'median': 3, 'q1': 2, 'q3': 4, 'rounds': 5}
    assert show(figure, 2) == '3.00 (2.00–4.00)'


def test_percentiles_are_of_the_slowest():
    figure = percentiles(np.arange(101.0))
    assert figure == {'p50': 50, 'p95': 95, 'p99': 99, 'frames': 101}
