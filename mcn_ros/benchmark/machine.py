# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the figures were measured on: no figure means anything without it."""

from importlib.metadata import PackageNotFoundError, version
import os
from pathlib import Path
import platform
import re
from typing import Any, Mapping

import torch

LIBRARIES = ('openvino', 'onnxruntime', 'numpy', 'opencv-python-headless')
BUSY = 0.5  # other work on so many cores disturbs


def describe(device: torch.device) -> dict[str, Any]:
    """Return processor, cores, threads, GPU, load and the versions of libraries."""
    load = os.getloadavg()[0]
    versions = {name: number for name in LIBRARIES if (number := _version(name))}
    machine = {'cpu': _processor(), 'cores': len(os.sched_getaffinity(0)),
               'threads': torch.get_num_threads(), 'device': str(device), 'gpu': None,
               'load_before': round(load, 2), 'python': platform.python_version(),
               'versions': {'torch': torch.__version__, **versions}}
    if device.type == 'cuda':
        machine['gpu'] = torch.cuda.get_device_name(device)
        machine['versions']['cuda'] = torch.version.cuda
    return machine


def line(machine: Mapping[str, Any]) -> str:
    """Return the description as a line of text, with a warning where other work disturbs."""
    parts = [machine['gpu']] if machine['gpu'] else []
    parts.append(f'{machine["cpu"]}, {machine["cores"]} cores, {machine["threads"]} threads')
    parts += [f'{name} {number}' for name, number in machine['versions'].items()]
    if machine['load_before'] > BUSY:
        parts.append(f'**other work was running: load {machine["load_before"]} before**')
    return '; '.join(parts)


def _processor() -> str:
    match = re.search(r'^model name\s*: (.*)$', Path('/proc/cpuinfo').read_text(), re.MULTILINE)
    return match[1].strip() if match else platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
