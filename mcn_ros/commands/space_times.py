# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node and a depth camera in processes of their own, measured with depth and without."""

import json
import os
from pathlib import Path
from typing import Any

from mcn_ros.benchmark.space import growth, WITH, WITHOUT
from mcn_ros.commands.processes import reliable, run_together
from mcn_ros.commands.runtime_options import runtime_parameters
from mcn_ros.runtime import RuntimeConfig, weights_path

SIZE, RATE = (480, 640), 10.0  # images per second
TURNS = 4  # each is a phase without depth and one with it, and then the other way round
START_S = 15.0  # about what it takes for the processes to start, and for phases to begin


def measure(weights: str, runtime: RuntimeConfig, seconds: float, log: Path,
            least_s: float = 2.0) -> dict[str, Any]:
    """
    Measure the latency of results in the image with depth and without.

    :param weights: file, name of shipped weights, or '' for the default ones.
    :param runtime: parameters of the node.
    :param seconds: about what all of it may take.
    :param log: folder for what the processes say.
    :param least_s: shortest phase, in seconds.
    :return: see :func:`mcn_ros.benchmark.space.growth`.
    :raises ValueError: for wrong weights, and a time that is too short for the network.
    :raises OSError: if a process fails or nothing happens for too long.
    """
    order = [name for turn in range(TURNS)
             for name in ((WITHOUT, WITH) if turn % 2 == 0 else (WITH, WITHOUT))]
    phase_s = max(least_s, (seconds - START_S) / len(order))
    phases = [{'name': name, 'size': list(SIZE), 'seconds': phase_s, 'rate': RATE}
              for name in order]
    namespace = f'/mcn_benchmark_{os.getpid()}'
    node = {'weights': str(weights_path(weights).resolve()), **runtime_parameters(runtime),
            'depth.source': 'image', **reliable(f'{namespace}/image')}
    return growth(run_together(
        {'timed_node': node, 'space_prober': {
            'phases': json.dumps(phases), 'with_depth': WITH}}, namespace, log))
