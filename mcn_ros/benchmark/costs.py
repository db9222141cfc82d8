# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What trained networks cost: parameters, multiplications, and the time of one image."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Mapping, Sequence

import torch

from mcn_ros.benchmark.architectures import noise
from mcn_ros.benchmark.complexity import count_macs, count_parameters
from mcn_ros.benchmark.stopwatch import interleave, show, spread
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.runtime import Predictor, RuntimeConfig
from mcn_ros.runtime.backends import obstacle
from mcn_ros.tables import markdown
from mcn_ros.weights_file import load_model, read_config

BACKENDS = 'torch', 'openvino'


@dataclass(frozen=True)
class Cost:
    """
    What one image costs.

    :param parameters: their number.
    :param macs: multiplications with weights.
    :param ms: backend -> spread of the time of a call of it, see
        :func:`mcn_ros.benchmark.stopwatch.spread`.
    """

    parameters: int
    macs: int
    ms: Mapping[str, Mapping[str, float]]


def measure_costs(paths: Mapping[str, Path], seconds: float) -> dict[str, Cost]:
    """
    Measure networks in turns, on the CPU in float32; those of one architecture once.

    :param paths: name -> weights file.
    :param seconds: about what the times may take.
    """
    configs = {name: read_config(path) for name, path in paths.items()}
    first = {name: next(other for other in configs if configs[other] == configs[name])
             for name in configs}
    device = torch.device('cpu')
    backends = [name for name in BACKENDS if not obstacle(name, device, torch.float32)]
    calls = {(name, backend): _call(paths[name], backend)
             for name in dict.fromkeys(first.values()) for backend in backends}
    times = interleave(calls, seconds)
    found = {name: Cost(*_counts(configs[name]),
                        {backend: spread(times[name, backend]) for backend in backends})
             for name in dict.fromkeys(first.values())}
    return {name: found[first[name]] for name in paths}


def _call(path: Path, backend: str) -> partial:
    """Return a call of a backend with an image."""
    predictor = Predictor(load_model(path), RuntimeConfig('cpu', backend, 'float32'))
    return partial(predictor.run, noise(1, predictor.input_size))


def _counts(config: ModelConfig) -> tuple[int, int]:
    with torch.device('meta'):
        model = MultiTaskNet(config)
    return count_parameters(model), count_macs(model)


def table(costs: Mapping[str, Cost], titles: Mapping[str, str],
          scores: Mapping[str, Sequence[str]], headings: Sequence[str]) -> str:
    """
    Return costs beside scores.

    :param costs: name -> what the network costs.
    :param titles: name -> what it is called.
    :param scores: name -> its scores as text, one for each of ``headings``.
    """
    backends = list(next(iter(costs.values())).ms)
    return markdown(
        ['network', 'parameters', 'multiplications', *(f'{name}, ms' for name in backends),
         *headings],
        [[titles[name], f'{cost.parameters / 1e6:.2f} M', f'{cost.macs / 1e9:.3f} G',
          *(show(cost.ms[backend], 1) for backend in backends), *scores[name]]
         for name, cost in costs.items()])
