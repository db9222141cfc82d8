# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node and its cameras in processes of their own, measured: each number of cameras in turn."""

import json
import os
from pathlib import Path
from typing import Any, Callable, Mapping

from mcn_ros.benchmark.node import latency, load
from mcn_ros.commands.processes import reliable, run_together
from mcn_ros.commands.runtime_options import runtime_parameters
from mcn_ros.geometry import Size
from mcn_ros.runtime import RuntimeConfig, weights_path

SMALL, LARGE = (480, 640), (1080, 1920)
RATE = 30.0  # images per second of a camera
OVERLOAD = 60.0  # of one that is too fast for the network
START_S = 10.0  # about what it takes for the processes of a run to start

# Name of a run -> number of cameras, number of nodes; the first one also takes single images.
RUNS = {'one camera': (1, 1), 'two cameras': (2, 1), 'four cameras': (4, 1),
        'two nodes': (2, 2)}
# How long a phase of single images is, in units of a phase of load.
SINGLE = 2


def measure(weights: str, runtime: RuntimeConfig, seconds: float, log: Path,
            tell: Callable[[str], None] = lambda text: None, least_s: float = 3.0,
            ) -> dict[str, Any]:
    """
    Measure the node with one, two and four cameras, and two nodes with one camera each.

    :param weights: file, name of shipped weights, or '' for the default ones.
    :param runtime: parameters of the node.
    :param seconds: about what all of it may take.
    :param log: folder for what the processes say.
    :param tell: is told what is being done.
    :param least_s: shortest phase, in seconds.
    :return: 'latency' (of single images) and 'load', see :mod:`mcn_ros.benchmark.node`.
    :raises ValueError: for wrong weights, and a time that is too short for the network.
    :raises OSError: if a process fails or nothing happens for too long.
    """
    node = {'weights': str(weights_path(weights).resolve()), **runtime_parameters(runtime)}
    phases = len(RUNS) + 1 + 2 * SINGLE
    unit = max(least_s, (seconds - START_S * len(RUNS)) / phases)
    times: dict[str, Any] = {'latency': [], 'load': []}
    for name, (cameras, nodes) in RUNS.items():
        tell(name)
        records = _run(node, cameras, nodes, unit, log / name.replace(' ', '_'))
        for record in records:
            kind = 'latency' if record['phase']['rate'] == 0 else 'load'
            times[kind].append((latency if kind == 'latency' else load)(record))
    return times


def _run(node: Mapping[str, Any], cameras: int, nodes: int, unit: float,
         log: Path) -> list[dict[str, Any]]:
    """Run nodes that share the cameras, an echo and the prober; return its records."""
    namespace = f'/mcn_benchmark_{os.getpid()}'
    names = [f'camera_{index}' for index in range(cameras)]
    processes: dict[str, dict[str, Any]] = {}
    for index in range(nodes):
        of_node = names[index::nodes]
        topics = [f'{namespace}/{name}/image' for name in of_node]
        processes[f'timed_node.{index}'] = {**node, 'cameras': of_node, **reliable(*topics)}
    phases = [_phase(SMALL, unit, RATE)]
    if cameras == 1:
        phases = [_phase(SMALL, SINGLE * unit), _phase(LARGE, SINGLE * unit), *phases,
                  _phase(SMALL, unit, OVERLOAD)]
        processes['echo'] = {}
    processes['prober'] = {'cameras': names, 'nodes': nodes, 'phases': json.dumps(phases)}
    return run_together(processes, namespace, log)['phases']


def _phase(size: Size, seconds: float, rate: float = 0.0) -> dict[str, Any]:
    name = f'{size[1]}x{size[0]} at {rate:.0f} Hz' if rate else f'{size[1]}x{size[0]}'
    return {'name': name, 'size': list(size), 'seconds': seconds, 'rate': rate}
