# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Times: what is compared is run in turns within one run, and what is told is the middle of many.

Machines are busy now and then, and processors change their speed; turns share that evenly, so a
ratio of times that follow each other is worth more than one of two runs.
"""

import time
from typing import Any, Callable, Hashable, Mapping, TypeVar

import numpy as np
import torch

# Before anything is measured, it is run until it has had so many passes or, after the first one,
# which may prepare something, so much time; ...
WARM_UP_PASSES, WARM_UP_S = 10, 0.5
# ... and then for so many rounds, as far as the time goes.
LEAST_ROUNDS, MOST_ROUNDS = 3, 200
# Threads of one library look for more work for a while: they are not to disturb the next one.
PAUSE_S = 0.002

Clock = Callable[[Callable[[], Any]], float]
Name = TypeVar('Name', bound=Hashable)


def wall_ms(run: Callable[[], Any]) -> float:
    """Run, and return the milliseconds that passed."""
    time.sleep(PAUSE_S)
    start = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - start)


def cuda_ms(run: Callable[[], Any]) -> float:
    """Run, and return the milliseconds between events of the GPU before and after it."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def pick_clock(device: torch.device) -> Clock:
    """Return how time is taken on a device."""
    return cuda_ms if device.type == 'cuda' else wall_ms


def interleave(runs: Mapping[Name, Callable[[], Any]], seconds: float, clock: Clock = wall_ms,
               most: int = MOST_ROUNDS) -> dict[Name, np.ndarray]:
    """
    Measure several things in turns: each once per round, in this order and the reverse one.

    :param seconds: about what all of it may take; a few rounds are run in any case.
    :param most: rounds.
    :return: name -> (rounds,) float64, milliseconds.
    """
    deadline = time.monotonic() + seconds
    for run in runs.values():
        _warm_up(run)
    times: dict[Name, list[float]] = {name: [] for name in runs}
    order = list(runs)
    for index in range(most):
        started = time.monotonic()
        for name in order:
            times[name].append(clock(runs[name]))
        order.reverse()
        passed = time.monotonic() - started
        if index + 1 >= LEAST_ROUNDS and time.monotonic() + passed > deadline:
            break
    return {name: np.array(values) for name, values in times.items()}


def _warm_up(run: Callable[[], Any]) -> None:
    run()
    deadline = time.monotonic() + WARM_UP_S
    for _ in range(WARM_UP_PASSES - 1):
        run()
        if time.monotonic() > deadline:
            return


def spread(values: np.ndarray) -> dict[str, float]:
    """Return median, lower and upper quartile, and the number of values."""
    low, middle, high = np.percentile(values, [25, 50, 75]).tolist()
    return {'median': middle, 'q1': low, 'q3': high, 'rounds': len(values)}


def percentiles(values: np.ndarray) -> dict[str, float]:
    """Return the 50th, 95th and 99th percentile, and the number of values."""
    p50, p95, p99 = np.percentile(values, [50, 95, 99]).tolist()
    return {'p50': p50, 'p95': p95, 'p99': p99, 'frames': len(values)}


def show(figure: Mapping[str, float], digits: int = 1) -> str:
    """Return a spread as text: median (lower to upper quartile)."""
    middle, low, high = (f'{figure[key]:.{digits}f}' for key in ('median', 'q1', 'q3'))
    return f'{middle} ({low}–{high})'
