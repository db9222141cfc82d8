# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What faults of a device leave: each is brought about in a process of its own.

``python -m mcn_ros.gpu.faults KIND DEVICE WEIGHTS`` does so and writes its findings as JSON.
"""

from collections.abc import Iterator
import json
import os
from pathlib import Path
import subprocess
import sys
from typing import Callable

import numpy as np
import torch

from mcn_ros.gpu.finding import Finding
from mcn_ros.gpu.parity import views
from mcn_ros.runtime import load_predictor, Predictor, RuntimeConfig
from mcn_ros.runtime.device_errors import is_sticky

PATIENCE_S = 120.0
ROOM = 2 ** 27  # bytes that are left when memory is short


def check(device: torch.device, weights: str) -> Iterator[Finding]:
    """Bring all faults about, one after the other."""
    for kind in KINDS:
        try:
            process = subprocess.run(
                [sys.executable, '-m', __name__, kind, str(device), weights],
                capture_output=True, text=True, timeout=PATIENCE_S,
                cwd=Path(__file__).resolve().parents[2])
        except subprocess.TimeoutExpired:
            yield Finding('fault', kind, False, f'the process hangs for {PATIENCE_S:.0f} s')
            continue
        lines = process.stdout.strip().splitlines()
        if process.returncode or not lines:
            last = (process.stderr.strip().splitlines() or ['it says nothing'])[-1]
            yield Finding('fault', kind, False, f'exit code {process.returncode}: {last[:300]}')
            continue
        for text, holds in json.loads(lines[-1]).items():
            yield Finding('fault', f'{kind}: {text}', holds, '')


def _load(device: torch.device, weights: str) -> Predictor:
    backend = 'auto' if device.type == 'cuda' else 'torch'
    return load_predictor(weights, None, RuntimeConfig(str(device), backend))


def _scores(predictor: Predictor, images: np.ndarray) -> list[np.ndarray]:
    """Return what a network says, of which only the first images count."""
    predictions = predictor.batch(list(images))[0]
    return [np.asarray(getattr(value, value.ROWS[0])) for value in predictions.values()]


def _same(predictor: Predictor, images: np.ndarray, before: list[np.ndarray]) -> bool:
    return all(np.array_equal(one, other)
               for one, other in zip(_scores(predictor, images), before, strict=True))


def _raised(action: Callable[[], object]) -> Exception | None:
    try:
        action()
    # Whatever it is: it is looked at.
    except Exception as error:
        return error
    return None


def out_of_memory(device: torch.device, weights: str) -> dict[str, bool]:
    """Ask for more memory than there is, also for the recording of a larger batch."""
    predictor = _load(device, weights)
    image = views(16 if device.type == 'cuda' else 2, (480, 640))
    before = _scores(predictor, image[:1])
    error = _raised(lambda: torch.empty(2 ** 50, dtype=torch.uint8, device=device))
    found = {'it is an error': error is not None,
             'which is not taken for the end': error is not None and not is_sticky(error),
             'after it, results are the same': _same(predictor, image[:1], before)}
    hog = None
    if device.type == 'cuda':
        torch.cuda.empty_cache()
        hog = torch.empty(max(0, torch.cuda.mem_get_info(device)[0] - ROOM), dtype=torch.uint8,
                          device=device)
    error = _raised(lambda: predictor.batch(list(image)))
    del hog
    if device.type == 'cuda':
        torch.cuda.empty_cache()
    found['with little room, a batch does or is told of'] = error is None or not is_sticky(error)
    found['after that, results are the same'] = _same(predictor, image[:1], before)
    found['after that, the batch is possible'] = _raised(
        lambda: predictor.batch(list(image))) is None
    return found


def assertion(device: torch.device, weights: str) -> dict[str, bool]:
    """Fail an assertion on the device, after which a GPU is lost; go on on the CPU."""
    predictor, image = _load(device, weights), views(1, (480, 640))
    _scores(predictor, image)
    values = torch.zeros(4, device=device)
    beyond = torch.full((1,), 9, device=device)
    error = _raised(lambda: values[beyond].cpu())
    lost = device.type == 'cuda'
    found = {'it is an error': error is not None,
             'a GPU is taken for lost, a CPU is not': error is not None
             and is_sticky(error) == lost,
             'a lost device fails again, another does not': (
                 _raised(lambda: torch.zeros(4, device=device).cpu()) is not None) == lost}
    on_cpu = _load(torch.device('cpu'), weights)
    found['the CPU goes on'] = _raised(lambda: _scores(on_cpu, image)) is None
    KEPT.append(predictor)
    return found


KINDS = {'out of memory': out_of_memory, 'assertion': assertion}
KEPT: list[Predictor] = []  # what is on a lost GPU cannot be freed


def main() -> None:
    """Bring one fault about; the process ends without freeing anything."""
    kind, device, weights = sys.argv[1:]
    print(json.dumps(KINDS[kind](torch.device(device), weights)), flush=True)
    os._exit(0)


if __name__ == '__main__':
    main()
