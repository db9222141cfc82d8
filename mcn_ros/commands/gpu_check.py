# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Check a machine with a GPU: that networks are right there, what faults leave, how fast it is.

It needs a checkout and PyTorch, no ROS and no network. On a CPU (``--device cpu``) it is a dry run
of small things.
"""

import argparse
from collections.abc import Iterator
import json
import os
from pathlib import Path
import subprocess
import sys
import time
from typing import Any, Sequence

import torch

from mcn_ros.benchmark import machine, memory
from mcn_ros.benchmark.architectures import network_config, PAPER_TASKS
from mcn_ros.benchmark.networks import Variant
from mcn_ros.commands import check_folder, clear_errors, write_json
from mcn_ros.gpu import faults, parity, sampling, training
from mcn_ros.gpu.finding import Finding, table
from mcn_ros.model import ModelConfig
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime.backends import pick_device
from mcn_ros.runtime.driver import why_no_gpu
from mcn_ros.runtime.weights import models_folders, weights_path
from mcn_ros.weights_file import load_model, save_model

SECONDS = 450.0  # a run on a GPU takes no longer than about this
LEAST_S, ENOUGH_S = 60.0, 180.0  # for the benchmark
PAPER = 'resnet18', 'dla34'
# Of networks of random weights, which make much of every rounding, float32 alone says something.
UNTRAINED = {'cuda': (Variant('torch', 'float32'), Variant('cuda_graph', 'float32')),
             'cpu': (Variant('torch', 'float32'),)}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='gpu_check', description=__doc__)
    parser.add_argument('--out', type=Path, required=True, metavar='DIR',
                        help='folder for gpu_check.json and gpu_check.md')
    parser.add_argument('--device', default='cuda',
                        help='cuda or cuda:N; cpu for a dry run (default: %(default)s)')
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=list(PARTS), metavar='PART',
                        help=f'what to check: {", ".join(PARTS)} (default: all)')
    return parser.parse_args(arguments)


def check_parity(device: torch.device, out: Path, seconds: float) -> Iterator[Finding]:
    """Check trained weights, then deformable networks of random ones, the latter mirrored, too."""
    dry = device.type == 'cpu'
    paths = sorted(path for folder in models_folders()[:1]
                   for path in folder.glob('*.safetensors'))
    for path in [weights_path()] if dry else paths:
        yield from parity.check(path.stem, load_model(path), device,
                                UNTRAINED['cpu'] if dry else ())
    for name in () if dry else PAPER:
        model = parity.untrained(network_config(name))
        yield from parity.check(name, model, device, UNTRAINED[device.type])
    model = parity.untrained(small_network())
    for flip in (False, True):
        yield from parity.check('small deformable network', model, device,
                                UNTRAINED[device.type], flip)


def small_network() -> ModelConfig:
    """Return a deformable network of all usual tasks that is quick on a CPU, too."""
    tasks = {name: {'head': {'width': 16}} for name in PAPER_TASKS}
    return ModelConfig(tasks, TrunkConfig('shufflenet_v2_x0_5', 'deconv', 16, True), (64, 64))


def check_deformable(device: torch.device, out: Path, seconds: float) -> Iterator[Finding]:
    """Compare and time the ways of the deformable convolution."""
    return sampling.check(device, 128 if device.type == 'cuda' else 32, seconds=10)


def check_faults(device: torch.device, out: Path, seconds: float) -> Iterator[Finding]:
    """Bring about what may go wrong."""
    path = weights_path()
    if device.type == 'cpu':
        path = out / 'small.safetensors'
        save_model(parity.untrained(small_network()), path)
    return faults.check(device, str(path))


def check_training(device: torch.device, out: Path, seconds: float) -> Iterator[Finding]:
    """Train for a few steps in each precision."""
    if device.type == 'cpu':
        return training.check('small deformable network', small_network(), device, 2)
    return training.check('dla34', network_config('dla34'), device, 16)


def check_memory(device: torch.device, out: Path, seconds: float) -> Iterator[Finding]:
    """Compare the memory of a step by its number of tasks: task by task, it hardly grows."""
    size, count = ((512, 512), 8) if device.type == 'cuda' else ((64, 64), 2)
    rows = [memory.measure(number, TrunkConfig.backbone, size, count, device)
            for number in (1, 3)]
    for way in memory.WAYS:
        growth, = memory.growth([row[way] for row in rows])
        yield Finding('memory', f'a step {memory.TITLES[way]}, {count} images', None,
                      f'{rows[0][way] / 2**20:.0f} MiB for one task, {growth:+.0%} for three')


def run_benchmark(device: torch.device, out: Path, seconds: float) -> Iterator[Finding]:
    """Run the benchmark in a process of its own, for the time that is left."""
    path = out / 'benchmark.json'
    arguments = ['--device', str(device), '--json', str(path), '--parts', 'networks', 'predictor']
    if device.type == 'cpu':
        arguments += ['--networks', 'default', '--backends', 'torch:float32', '--batches', '1',
                      '--backend', 'torch', '--seconds', '4']
    else:
        arguments += ['--seconds', f'{min(ENOUGH_S, max(LEAST_S, seconds)):.0f}']
    process = subprocess.run(
        [sys.executable, '-c', 'from mcn_ros.commands.benchmark import main; main()', *arguments],
        capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2])
    (out / 'benchmark.md').write_text(process.stdout)
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ['it says nothing'])[-1]
        yield Finding('benchmark', 'all', False, f'exit code {process.returncode}: {last[:300]}')
        return
    for row in json.loads(path.read_text())['networks']:
        yield Finding('benchmark', f'{row["network"]}, {row["backend"]} {row["precision"]}', None,
                      f'{row["ms"]["all"]["median"]:.2f} ms')


PARTS = {'parity': check_parity, 'deformable': check_deformable, 'faults': check_faults,
         'training': check_training, 'memory': check_memory, 'benchmark': run_benchmark}


def check(args: argparse.Namespace) -> bool:
    """Run the parts, write what they find after each; return whether all holds."""
    try:
        device = pick_device(args.device)
    except ValueError as error:
        raise ValueError(f'{error}; for a dry run: --device cpu' if torch.cuda.is_available()
                         else f'no GPU: {why_no_gpu()}; for a dry run: --device cpu') from None
    if device.type == 'cpu':
        # Threads that wait for each other would take minutes on a busy machine; processes that
        # are started are to have one, too.
        torch.set_num_threads(1)
        os.environ['OMP_NUM_THREADS'] = '1'
    args.out.mkdir(parents=True, exist_ok=True)
    start, findings = time.monotonic(), []
    facts: dict[str, Any] = {'machine': machine.describe(device), 'seconds': {}}
    print(machine.line(facts['machine']), flush=True)
    for name in args.parts:
        began = time.monotonic()
        for finding in PARTS[name](device, args.out, SECONDS - (began - start)):
            findings.append(finding)
            print(table([finding]).splitlines()[-1], flush=True)
        facts['seconds'][name] = round(time.monotonic() - began, 1)
        write_json(args.out / 'gpu_check.json',
                   {**facts, 'findings': [finding.as_dict() for finding in findings]})
        (args.out / 'gpu_check.md').write_text(
            f'{machine.line(facts["machine"])}\n\n{table(findings)}\n')
    wrong = sum(finding.holds is False for finding in findings)
    print(f'{len(findings)} findings in {time.monotonic() - start:.0f} s, '
          f'{wrong or "none"} of them not as they are to be: {args.out / "gpu_check.md"}')
    return not wrong


def main(arguments: Sequence[str] | None = None) -> None:
    """Check; exit code 0 only if all holds."""
    args = parse(arguments)
    with clear_errors():
        check_folder(args.out)
        if not check(args):
            raise SystemExit(1)


if __name__ == '__main__':  # python -m, with the PyTorch that a machine has
    main()
