# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Make another weights file of one: other heads, input size or thresholds, half the bytes."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Sequence

import torch

from mcn_ros.commands import check_writable, clear_errors
from mcn_ros.model import ModelConfig
from mcn_ros.weights_file import load_model, save_model


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='convert_weights', description=__doc__)
    parser.add_argument('weights', type=Path, metavar='IN.safetensors', help='file to read')
    parser.add_argument('out', type=Path, metavar='OUT.safetensors', help='file to write')
    parser.add_argument('--heads', nargs='+', metavar='HEAD', help='heads to keep (default: all)')
    parser.add_argument('--input-size', type=int, nargs=2, metavar=('H', 'W'),
                        help='of the input images, multiples of 32 (default: as it is)')
    parser.add_argument('--thresholds', nargs='+', default=(), metavar='HEAD=T',
                        help='probability from which on heads of boundaries show a ridge as a '
                             'line, such as that of ODS on a validation set: what the node does '
                             'unless it is told otherwise')
    parser.add_argument('--half', action='store_true',
                        help='store numbers of 16 bits, rounded; networks compute in what they '
                             'are asked to, all the same')
    return parser.parse_args(arguments)


def with_thresholds(config: ModelConfig, entries: Sequence[str]) -> ModelConfig:
    """
    Return the configuration of a network whose heads have other thresholds.

    :param entries: 'head=threshold' each.
    :raises ValueError: for what is not such, and heads that have no threshold.
    """
    tasks = dict(config.tasks)
    for entry in entries:
        name, _, value = entry.rpartition('=')
        if 'threshold' not in tasks.get(name, {}):
            known = ', '.join(task for task, fields in tasks.items() if 'threshold' in fields)
            raise ValueError(f'--thresholds: {entry!r} is not HEAD=T (heads with a threshold: '
                             f'{known or "none"})')
        try:
            tasks[name] = {**tasks[name], 'threshold': float(value)}
        except ValueError:
            raise ValueError(f'--thresholds: {entry!r}: {value!r} is no number') from None
    return replace(config, tasks=tasks)


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert."""
    args = parse(arguments)
    with clear_errors():
        check_writable(args.out)
        size = tuple(args.input_size) if args.input_size else None
        model = load_model(args.weights, args.heads, size)
        model.config = with_thresholds(model.config, args.thresholds)
        state = model.state_dict()
        if args.half:
            state = {name: values.to(torch.float16) if values.is_floating_point() else values
                     for name, values in state.items()}
            too_large = [name for name, values in state.items() if not values.isfinite().all()]
            if too_large:
                raise ValueError(f'{args.weights}: --half: {too_large[0]} is too large')
        save_model(model, args.out, state)
        print(f'{args.out}: {", ".join(model.tasks)}; {args.out.stat().st_size / 1e6:.1f} MB')
