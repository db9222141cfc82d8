# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Load the node with cameras that are too fast for it; fail if one starves or anything grows."""

import argparse
import json
import os
from pathlib import Path
import tempfile
from typing import Any, Mapping, Sequence

from tqdm import tqdm

from mcn_ros.benchmark import soak
from mcn_ros.commands.processes import reliable, run_together
from mcn_ros.commands.trial import add_trial_options, judge, network_parameters

SIZE = 480, 640
SLICES = 60  # into which the time is cut, ...
SLICE_S = 2.0, 60.0  # ... the least and the most that one of them may have
WARM_UP_S = 120.0  # at most, before them; a quarter of the time if that is less


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='soak', description=__doc__)
    parser.add_argument('--minutes', type=_positive, default=5.0, metavar='M',
                        help='after the warm-up (default: %(default)s)')
    parser.add_argument('--cameras', type=int, default=4, metavar='N',
                        help='of one node (default: %(default)s)')
    parser.add_argument('--rate', type=_positive, default=60.0, metavar='HZ',
                        help='images per second of each camera (default: %(default)s)')
    parser.add_argument('--size', type=int, nargs=2, default=SIZE, metavar=('H', 'W'),
                        help='of the images (default: 480 640)')
    add_trial_options(parser)
    return parser.parse_args(arguments)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float('inf'):
        raise argparse.ArgumentTypeError(f'{text} is not positive')
    return number


def run(args: argparse.Namespace) -> dict[str, Any]:
    """
    Load the node.

    :return: see :func:`mcn_ros.benchmark.soak.summarise`.
    :raises ValueError: for wrong arguments, and a time that is too short for the network.
    :raises OSError: if a process fails or nothing happens for too long.
    """
    if min(args.cameras, *args.size) < 1:
        raise ValueError('cameras, size: expected positive numbers, got '
                         f'{args.cameras}, {args.size[0]} {args.size[1]}')
    records: list[Mapping[str, Any]] = []
    with tqdm(total=len(phases(args)), unit='slice', disable=None, leave=False) as bar:

        def hear(event: Mapping[str, Any]) -> None:
            if 'record' in event:
                records.append(event['record'])
                bar.update()

        run_together(parameters(args), namespace(),
                     args.log or Path(tempfile.mkdtemp(prefix='mcn_soak_')), hear)
    return soak.summarise(records)


def phases(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what is sent: the warm-up, then equal slices of the time."""
    seconds = 60 * args.minutes
    least, most = SLICE_S
    number = max(2, round(seconds / min(max(seconds / SLICES, least), most)))
    length = seconds / number
    common = {'size': list(args.size), 'rate': args.rate}
    return [{'name': 'warm-up', 'seconds': min(WARM_UP_S, seconds / 4), **common},
            *({'name': f'{length * (index + 1):.0f} s', 'seconds': length, **common}
              for index in range(number))]


def parameters(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the ROS parameters of each process."""
    cameras = [f'camera_{index}' for index in range(args.cameras)]
    return {
        'timed_node': {**network_parameters(args), 'cameras': cameras,
                       **reliable(*(f'{namespace()}/{name}/image' for name in cameras))},
        'prober': {'cameras': cameras, 'continuous': True, 'phases': json.dumps(phases(args))}}


def namespace() -> str:
    """Return the namespace of the nodes."""
    return f'/mcn_soak_{os.getpid()}'


def report(result: Mapping[str, Any]) -> str:
    """Return the summary of the run as text."""
    return '\n\n'.join([soak.summary(result), soak.camera_table(result), soak.time_table(result)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the soak test."""
    judge(parse(arguments), run, soak.problems, report)
