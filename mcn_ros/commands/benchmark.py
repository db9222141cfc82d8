# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measure speed: networks on every backend, predictor, tracker and node; or memory of training."""

import argparse
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
import shlex
import sys
import tempfile
import time
from typing import Any, Callable, Mapping, Sequence

import torch
from tqdm import tqdm

from mcn_ros.benchmark import (
    against, complexity, layers, lifting, machine, memory, networks, node, predictor, space,
    tracking)
from mcn_ros.benchmark.architectures import COMPARED, network_config, NETWORKS
from mcn_ros.commands import check_results, clear_errors, node_times, space_times, write_json
from mcn_ros.commands.runtime_options import add_runtime_options, runtime_config
from mcn_ros.model import ModelConfig
from mcn_ros.network.backbones import BACKBONES
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime import load_predictor
from mcn_ros.runtime.backends import pick_device

# Part -> its share of the time; what one leaves goes to those after it.
PARTS = {'parameters': 0.5, 'predictor': 0.5, 'tracking': 0.1, 'node': 3.0, 'networks': 8.0,
         'layers': 1.0, 'against': 3.0, 'lifting': 0.2, 'space': 1.0}
# Those of a run that names none; 'against' is one of them where there are files.
DEFAULT_PARTS = ('parameters', 'predictor', 'tracking', 'node', 'networks', 'lifting')
SECONDS = 540.0


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='benchmark', description=__doc__)
    parser.add_argument('--parts', nargs='+', choices=PARTS, metavar='PART',
                        help=f'what to measure: {", ".join(PARTS)} (default: '
                             f'{" ".join(DEFAULT_PARTS)}, or against where files are named)')
    parser.add_argument('--seconds', type=_positive_seconds, default=SECONDS, metavar='S',
                        help='about what all parts may take together (default: %(default).0f)')
    parser.add_argument('--json', type=Path, metavar='OUT', help='write all figures to this file')
    _add_network_options(parser.add_argument_group('networks and their parameters'))
    group = parser.add_argument_group('predictor and node (the device goes for all parts)')
    group.add_argument('--weights', default='', metavar='W',
                       help='weights file, or the name of shipped weights')
    add_runtime_options(group)
    group.add_argument('--log', type=Path, metavar='DIR',
                       help='folder for what the processes of the node say (default: none is '
                            'kept)')
    _add_memory_options(parser.add_argument_group('memory of a training step'))
    args = parser.parse_args(arguments)
    if args.parts is None:
        args.parts = ['against'] if args.against else list(DEFAULT_PARTS)
    if ('against' in args.parts) != bool(args.against):
        parser.error('--against FILE.onnx and the part against need each other')
    return args


def _add_network_options(group: Any) -> None:
    group.add_argument('--networks', nargs='+', default=COMPARED, metavar='NETWORK',
                       help=f'{", ".join(NETWORKS)}, files of weights or training configurations '
                            f'(default: {" ".join(COMPARED)})')
    group.add_argument('--against', nargs='+', type=Path, default=(), metavar='FILE.onnx',
                       help='compare the networks with those of other programs, for one image of '
                            'one size, in turns, in OpenVINO')
    group.add_argument('--full-resolution', action='store_true',
                       help='segmentation at input size, as in Table 4 of the paper, rather than '
                            'at stride 4')
    group.add_argument('--backends', nargs='+', default=(), metavar='BACKEND[:PRECISION]',
                       help='what runs them (default: all that are here, but for torch_compile)')
    group.add_argument('--batches', type=_positive, nargs='+', metavar='B',
                       help='sizes of batches (default: 1 2 4, on a GPU also 32)')


def _add_memory_options(group: Any) -> None:
    group.add_argument('--memory', action='store_true',
                       help='measure, in place of all parts, the peak memory of the activations '
                            'of one training step, for each way to go backward')
    group.add_argument('--tasks', type=_positive, metavar='N',
                       help='networks with 1 to N equal heads, segmentation of 80 classes '
                            '(default: 7), or the first N of --each-kind (default: all)')
    group.add_argument('--each-kind', action='store_true',
                       help=f'heads of different kinds: {", ".join(memory.KINDS)}')
    group.add_argument('--backbone', choices=BACKBONES, default=TrunkConfig.backbone,
                       help='of the networks (default: %(default)s)')
    group.add_argument('--size', type=_positive, nargs=2, default=(256, 256), metavar=('H', 'W'),
                       help='of the images, multiples of 32 (default: 256 256)')
    group.add_argument('--batch', type=_positive, default=2, metavar='B',
                       help='number of images (default: %(default)s)')


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text} is not positive')
    return number


def _positive_seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < float('inf'):
        raise argparse.ArgumentTypeError(f'{text} is not a positive time')
    return number


@dataclass
class BenchmarkRun:
    """
    A run of the benchmark: its parts in turn, and what they found.

    :param args: the command line.
    :param device: where networks run.
    :param configs: name -> network.
    :param variants: backends and precisions that networks are run with.
    :param bar: tells how far it is.
    """

    args: argparse.Namespace
    device: torch.device
    configs: Mapping[str, ModelConfig]
    variants: Sequence[networks.Variant]
    bar: tqdm
    results: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failed: bool = False

    def tell(self, text: str) -> None:
        """Note that a step has begun."""
        self.bar.set_description(text)
        self.bar.update()

    def parameters(self, seconds: float) -> str:
        """Count the parameters and multiplications of the networks; return a table."""
        rows = []
        for name, config in self.configs.items():
            self.tell(f'parameters of {name}')
            rows.append(complexity.measure(name, config))
        self.results['parameters'] = rows
        return f'### Parameters and multiplications\n\n{complexity.table(rows)}'

    def networks(self, seconds: float) -> str:
        """Measure the networks; return tables."""
        batches = self.args.batches or networks.BATCHES[self.device.type]
        deadline, rows = time.monotonic() + seconds, []
        with networks.scratch_cache():
            for index, (name, config) in enumerate(self.configs.items()):
                left = (deadline - time.monotonic()) / (len(self.configs) - index)
                network_rows, problems = networks.measure(
                    name, config, self.variants, self.device, batches, left,
                    lambda text, name=name: self.tell(f'{name}: {text}'))
                rows += network_rows
                self.notes += problems
        self.results['networks'] = rows
        return ('### Networks: one image, ms\n\n'
                f'{networks.table(rows)}\n\n### Networks: batches\n\n'
                f'{networks.batch_table(rows)}')

    def layers(self, seconds: float) -> str:
        """Measure the layers of the networks; return tables."""
        found = []
        for name, config in self.configs.items():
            for variant in self.variants:
                if variant.backend == against.BACKEND:
                    self.tell(f'layers of {name}, {variant.precision}')
                    found.append(layers.measure(name, config, variant.dtype))
        self.results['layers'] = found
        return '\n\n'.join([
            f'### Parts of networks, ms\n\n{layers.part_table(found)}',
            *(f'### Layers of {row["network"]}, {row["precision"]}, ms\n\n'
              f'{layers.layer_table(row)}' for row in found)])

    def against(self, seconds: float) -> str:
        """Measure the networks and files in turns; return a table."""
        rows = against.measure(self.configs, self.args.against, self.variants, seconds, self.tell)
        self.results['against'] = rows
        return f'### Networks and files in turns, ms\n\n{against.table(rows)}'

    def predictor(self, seconds: float) -> str:
        """Measure the parts of the predictor; return a table."""
        self.tell('predictor')
        args = self.args
        chosen = load_predictor(args.weights, None, runtime_config(args))
        self.results['predictor'] = predictor.measure(chosen, seconds)
        return f'### Predictor, ms\n\n{predictor.table(self.results["predictor"])}'

    def tracking(self, seconds: float) -> str:
        """Measure the tracker; return a table."""
        self.tell('tracking')
        self.results['tracking'] = tracking.measure(seconds)
        return f'### Tracking, ms\n\n{tracking.table(self.results["tracking"])}'

    def node(self, seconds: float) -> str:
        """Measure the node; return tables, '' if there are none."""
        figures = self._with_node('node', lambda log: node_times.measure(
            self.args.weights, runtime_config(self.args), seconds, log,
            lambda text: self.tell(f'node: {text}')))
        return figures and (
            '### Node: single images, ms\n\n'
            f'{node.latency_table(figures["latency"])}\n\n### Node: several cameras\n\n'
            f'{node.load_table(figures["load"])}')

    def space(self, seconds: float) -> str:
        """Measure what depth costs results in the image; return a table, '' if there is none."""
        self.tell('space')
        figures = self._with_node('space', lambda log: space_times.measure(
            self.args.weights, runtime_config(self.args), seconds, log))
        return figures and (
            '### Stamp to results in the image with and without depth, ms\n\n'
            f'{space.table(figures)}')

    def _with_node(self, part: str, measure: Callable[[Path], dict[str, Any]]) -> Any:
        """Keep and return the figures of a part that runs the node, '' if there are none."""
        if find_spec('rclpy') is None:
            self.notes.append(f'{part}: not measured, rclpy is not installed')
            return ''
        try:
            with tempfile.TemporaryDirectory() as folder:
                self.results[part] = measure(self.args.log or Path(folder))
        except OSError as error:  # the other parts can be measured
            self.notes.append(f'{part}: {error}')
            self.failed = True
            return ''
        return self.results[part]

    def lifting(self, seconds: float) -> str:
        """Measure what brings people from the image into space; return a table."""
        self.tell('lifting')
        self.results['lifting'] = lifting.measure(seconds)
        return f'### People in space, ms\n\n{lifting.table(self.results["lifting"])}'


def read_networks(names: Sequence[str], full_resolution: bool) -> dict[str, ModelConfig]:
    """Return the networks by name; one that has two names is there once."""
    configs: dict[str, ModelConfig] = {}
    for name in names:
        config = network_config(name, full_resolution)
        if config not in configs.values():
            configs[name] = config
    return configs


def measure_parts(args: argparse.Namespace) -> None:
    """Measure and print the parts; write the results after each of them."""
    device = pick_device(args.device)
    parts = [part for part in PARTS if part in args.parts]
    # What is wrong is told before anything is measured.
    configs = read_networks(args.networks, args.full_resolution)
    variants, missing = networks.pick_variants(args.backends, device)
    result = {'command': shlex.join(['benchmark', *sys.argv[1:]]),
              'machine': machine.describe(device)}
    print(f'{machine.line(result["machine"])}\n', flush=True)
    deadline = time.monotonic() + args.seconds
    steps = {'parameters': len(configs), 'networks': len(configs) * (len(variants) + 2),
             'predictor': 1, 'tracking': 1, 'lifting': 1, 'space': 1,
             'node': len(node_times.RUNS),
             'layers': len(configs) * len(variants),
             'against': (len(configs) + len(args.against)) * len(variants) + 1}
    with tqdm(total=sum(steps[part] for part in parts), disable=None, leave=False) as bar:
        run = BenchmarkRun(args, device, configs, variants, bar)
        run.notes += missing if 'networks' in parts else []
        for index, part in enumerate(parts):
            shares = sum(PARTS[later] for later in parts[index:])
            text = getattr(run, part)((deadline - time.monotonic()) * PARTS[part] / shares)
            if text:
                bar.clear()
                print(f'{text}\n', flush=True)
            if args.json:
                write_json(args.json, {**result, **run.results, 'notes': run.notes})
    for note in run.notes:
        print(f'- {note}')
    if run.failed:
        raise ChildProcessError('the node could not be measured, see above')


def measure_memory(args: argparse.Namespace) -> None:
    """Measure and print the memory of training steps."""
    torch.set_num_threads(1)  # as many bytes, and two threads on a busy machine take longer
    device, size = pick_device(args.device), tuple(args.size)
    count = args.tasks or (len(memory.KINDS) if args.each_kind else 7)
    names = list(memory.tasks_of(count, args.each_kind)) if args.each_kind else ()
    rows = [memory.measure(number, args.backbone, size, args.batch, device, args.each_kind)
            for number in range(1, count + 1)]
    print(f'{args.backbone}, {args.batch} images of {size[0]}x{size[1]}, {device}: peak '
          'memory of the activations, and growth by the task added\n')
    print(memory.table(rows, names))
    if args.json:
        write_json(args.json, {
            'backbone': args.backbone, 'size': size, 'batch': args.batch,
            'device': str(device), 'torch': torch.__version__,
            'bytes': [{'tasks': i + 1, **row} for i, row in enumerate(rows)]})


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = parse(arguments)
    with clear_errors():
        check_results(args)
        (measure_memory if args.memory else measure_parts)(args)
