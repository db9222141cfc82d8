# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Times of networks: one for all tasks against one per task, on every backend, for batches.

A time is that of a backend's call, as a predictor makes it: from the pixels of a batch in memory
to its decoded predictions in memory.
"""

from collections.abc import Iterator
import contextlib
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
import os
import tempfile
import time
from typing import Any, Callable, Mapping, Sequence

import numpy as np
import torch

from mcn_ros.benchmark.architectures import build_network, Noise, noise, title
from mcn_ros.benchmark.stopwatch import interleave, pick_clock, show, spread
from mcn_ros.model import ModelConfig
from mcn_ros.runtime.backends import (
    Backend, BACKENDS, build_backend, obstacle, pick_precision, PRECISIONS, TF32)
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.tables import markdown

# Backends and precisions that are compared, the most important first: time may run short, but some
# are built in any case.
VARIANTS = {
    'cpu': ('torch:float32', 'openvino:float32', 'openvino:bfloat16', 'onnxruntime:float32',
            'openvino:int8'),
    'cuda': ('torch:float32', 'cuda_graph:float16', 'cuda_graph:bfloat16', 'cuda_graph:tf32',
             'torch:float16', 'onnxruntime:float16'),
}
ALWAYS_BUILT = 2
BATCHES = {'cpu': (1, 2, 4), 'cuda': (1, 2, 4, 32)}
EAGER = 'torch', 'float32'  # what others are compared with
ALL = 'all'  # the network of all tasks

# Shares of the time of a network: for building; and, of what is left then, for batches.
BUILD_SHARE, BATCH_SHARE = 0.5, 0.25

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Variant:
    """
    A way to run a network.

    :param backend: a key of BACKENDS.
    :param precision: a key of PRECISIONS.
    """

    backend: str
    precision: str

    @classmethod
    def parse(cls, text: str, device: torch.device) -> 'Variant':
        """Read 'backend' or 'backend:precision'; a ValueError names the ones that are known."""
        backend, _, precision = text.partition(':')
        if backend not in BACKENDS:
            raise ValueError(f'backends: {backend!r} (known: {", ".join(BACKENDS)})')
        dtype = pick_precision(precision or 'auto', device)
        return cls(backend, TF32 if precision == TF32 else str(dtype).removeprefix('torch.'))

    @property
    def dtype(self) -> torch.dtype:
        """Return the precision as PyTorch knows it."""
        return PRECISIONS[self.precision]

    def __str__(self) -> str:
        return f'{self.backend} {self.precision}'


def pick_variants(names: Sequence[str], device: torch.device) -> tuple[list[Variant], list[str]]:
    """
    Choose what is measured.

    :param names: 'backend' or 'backend:precision'; empty for all of VARIANTS.
    :return: those that are usable here, and a line for each of the others that says why not.
    :raises ValueError: for an unknown name, and for one that was asked for and is not usable.
    """
    wanted = [Variant.parse(name, device) for name in names or VARIANTS[device.type]]
    reasons = {variant: obstacle(variant.backend, device, variant.dtype) for variant in wanted}
    missing = [f'{variant}: {why}' for variant, why in reasons.items() if why]
    if missing and names:
        raise ValueError(f'backends: {"; ".join(missing)}')
    return [variant for variant, why in reasons.items() if not why], missing


@contextlib.contextmanager
def scratch_cache() -> Iterator[None]:
    """Keep compiled networks apart from the user's, and only as long as they are measured."""
    before = os.environ.get('MCN_ROS_CACHE')
    with tempfile.TemporaryDirectory(prefix='mcn_ros_benchmark_') as folder:
        os.environ['MCN_ROS_CACHE'] = folder
        try:
            yield
        finally:
            del os.environ['MCN_ROS_CACHE']
            if before is not None:
                os.environ['MCN_ROS_CACHE'] = before


def build_all(config: ModelConfig, variants: Sequence[Variant], device: torch.device,
              seconds: float, tell: Tell) -> tuple[dict[tuple[Variant, str], Backend], list[str]]:
    """
    Build the networks of one task each and of all tasks, on every backend.

    :param seconds: after which no further backend is begun with, but for the first ones.
    :param tell: is told what is being built.
    :return: (variant, task or 'all') -> backend; and what was left out, and why.
    """
    deadline = time.monotonic() + seconds
    single = list(config.tasks) if len(config.tasks) > 1 else []
    models = {ALL: build_network(config),
              **{task: build_network(config.of_tasks([task])) for task in single}}
    backends: dict[tuple[Variant, str], Backend] = {}
    problems = []
    for index, variant in enumerate(variants):
        tell(f'build {variant}')
        for task, model in models.items():
            if index >= ALWAYS_BUILT and time.monotonic() > deadline:
                problems.append(f'{variant}: no time left to build it' if task == ALL else
                                f'{variant}: no time left to build it for single tasks')
                break
            try:
                backends[variant, task] = _build(variant, model, device)
            # Whatever a compiler or a driver may raise: the others can be measured.
            except Exception as error:
                problems.append(f'{variant}: {type(error).__name__}: '
                                f'{" ".join(str(error).split())}')
                break
    return _whole(backends, single), problems


def _whole(backends: Mapping[tuple[Variant, str], Backend],
           single: Sequence[str]) -> dict[tuple[Variant, str], Backend]:
    """Leave single tasks out where some are missing: their sum would mean nothing."""
    whole = {variant for variant, _ in backends
             if all((variant, task) in backends for task in single)}
    return {(variant, task): run for (variant, task), run in backends.items()
            if task == ALL or variant in whole}


def _build(variant: Variant, model: torch.nn.Module, device: torch.device) -> Backend:
    # A backend may change its network.
    size = model.config.input_size
    graph = InferenceGraph(deepcopy(model), calibration=Noise(size))
    return build_backend(variant.backend, graph, device, variant.dtype,
                         variant.precision == TF32)[1]


def measure(name: str, config: ModelConfig, variants: Sequence[Variant], device: torch.device,
            batches: Sequence[int], seconds: float, tell: Tell = lambda text: None,
            ) -> tuple[list[dict[str, Any]], list[str]]:
    """
    Measure a network.

    :param name: of the network.
    :param batches: batch sizes of the network of all tasks.
    :param seconds: about what building and measuring may take.
    :param tell: is told what is being done.
    :return: for each variant 'ms' {task or 'all': spread}, 'ratio' of the sum over the tasks to
        'all' (spread, over rounds), 'speedup' over eager PyTorch (spread), 'batch_ms' {batch:
        spread}; and what was left out, and why.
    """
    deadline = time.monotonic() + seconds
    backends, problems = build_all(config, variants, device, BUILD_SHARE * seconds, tell)
    clock, image = pick_clock(device), noise(1, config.input_size)
    tell('one image')
    times = interleave(
        {key: partial(run, image) for key, run in backends.items()},
        (1 - BATCH_SHARE) * (deadline - time.monotonic()), clock)
    tell(f'batches of {", ".join(map(str, batches))}')
    batch_times = interleave(
        {(variant, size): partial(run, noise(size, config.input_size)) for size in batches
         for (variant, task), run in backends.items() if task == ALL},
        deadline - time.monotonic(), clock) if backends and batches else {}
    rows = [{'network': title(name), 'backend': variant.backend, 'precision': variant.precision,
             'device': str(device), **_summarise(variant, times, batch_times)}
            for variant in variants if (variant, ALL) in backends]
    return rows, [f'{title(name)}: {problem}' for problem in problems]


def _summarise(variant: Variant, times: Mapping[tuple[Variant, str], np.ndarray],
               batch_times: Mapping[tuple[Variant, int], np.ndarray]) -> dict[str, Any]:
    task_times = {task: values for (other, task), values in times.items() if other == variant}
    single = [values for task, values in task_times.items() if task != ALL]
    eager = times.get((Variant(*EAGER), ALL))
    return {
        'ms': {task: spread(values) for task, values in task_times.items()},
        'ratio': spread(sum(single) / task_times[ALL]) if single else None,
        'speedup': None if eager is None else spread(eager / task_times[ALL]),
        'batch_ms': {size: spread(values) for (other, size), values in batch_times.items()
                     if other == variant}}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the times of single images: medians, ratios with their quartiles."""
    names = list(dict.fromkeys(task for row in rows for task in row['ms'] if task != ALL))
    lines = []
    for row in rows:
        ratio, speedup = (show(row[key], 2) if row[key] else '' for key in ('ratio', 'speedup'))
        lines.append([row['network'], row['backend'], row['precision'],
                      *(f'{row["ms"][name]["median"]:.1f}' if name in row['ms'] else ''
                        for name in (*names, ALL)), ratio, speedup])
    return markdown(['network', 'backend', 'precision', *names, 'MCN (all)',
                     'sum of STN / MCN', 'faster than eager'], lines, words=3)


def batch_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the times of batches: median per batch, images per second."""
    sizes = sorted({size for row in rows for size in row['batch_ms']})
    lines = []
    for row in rows:
        figures = [row['batch_ms'].get(size) for size in sizes]
        lines.append([row['network'], row['backend'], row['precision'], *(
            f'{figure["median"]:.1f} ms, {1000 * size / figure["median"]:.0f}/s' if figure else ''
            for size, figure in zip(sizes, figures))])
    return markdown(['network', 'backend', 'precision', *(f'batch {size}' for size in sizes)],
                    lines, words=3)
