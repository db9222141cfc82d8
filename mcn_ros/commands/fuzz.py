# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Send malformed images and depth to a running node; fail if it crashes, hangs or answers wrongly.

It must not grow either.
"""

import argparse
import os
from pathlib import Path
import tempfile
from typing import Any, Mapping, Sequence

from tqdm import tqdm

from mcn_ros.commands.processes import reliable, run_together
from mcn_ros.commands.trial import add_trial_options, judge, network_parameters

INPUTS = 'raw', 'compressed', 'depth', 'points'  # each with a node of its own
MAX_PIXELS = 1_000_000  # of the node; that of mcn_ros.trials.hostile, which needs ROS
GROWTH = 50_000_000  # bytes that the memory of the node may grow by after the first messages
PEAK = 400_000_000  # bytes that a single message may cost for a moment


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='fuzz', description=__doc__)
    parser.add_argument('--messages', type=int, default=1000, metavar='N',
                        help='malformed messages, with a good image after each (default: 1000)')
    parser.add_argument('--seed', type=int, default=0, metavar='S',
                        help='of the messages; the same ones come again (default: 0)')
    parser.add_argument('--inputs', nargs='+', choices=INPUTS, default=list(INPUTS),
                        metavar='INPUT', help='what is malformed, an equal share of the messages '
                        f'each: {", ".join(INPUTS)} (default: all)')
    add_trial_options(parser)
    return parser.parse_args(arguments)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """
    Send the messages.

    :return: 'seed'; for each input the summary of :class:`mcn_ros.trials.fuzzer.Fuzzer`.
    :raises ValueError: for wrong arguments.
    :raises OSError: if the node ends, or nothing comes of a message.
    """
    if args.messages < 1 or args.seed < 0:
        raise ValueError('messages: expected a positive number, and a seed that is not negative, '
                         f'got {args.messages} and {args.seed}')
    results: dict[str, Any] = {'seed': args.seed}
    log = args.log or Path(tempfile.mkdtemp(prefix='mcn_fuzz_'))
    bar = tqdm(total=args.messages, unit='message')
    with bar:
        inputs = list(dict.fromkeys(args.inputs))
        for index, name in enumerate(inputs):
            count = (args.messages + len(inputs) - 1 - index) // len(inputs)
            if count:
                results[name] = _send(args, name, count, log / name, bar)
    return results


def _send(args: argparse.Namespace, name: str, count: int, log: Path,
          bar: tqdm) -> dict[str, Any]:
    before = bar.n
    return run_together(
        parameters(args, name, count), namespace(), log,
        lambda event: bar.update(before + event['sent'] - bar.n))


def namespace() -> str:
    """Return the namespace of the nodes."""
    return f'/mcn_fuzz_{os.getpid()}'


def parameters(args: argparse.Namespace, name: str, count: int) -> dict[str, dict[str, Any]]:
    """Return the ROS parameters of each process, for an input."""
    common = {'count': count, 'seed': args.seed}
    node = {**network_parameters(args), 'max_pixels': MAX_PIXELS}
    if name in ('raw', 'compressed'):
        topic = f'{namespace()}/image' + ('/compressed' if name == 'compressed' else '')
        return {'fuzzed_node': {**node, 'image_transport': name, **reliable(topic)},
                'fuzzer': {'transport': name, **common}}
    source = 'image' if name == 'depth' else name
    return {'fuzzed_node': {**node, 'depth.source': source, **reliable(f'{namespace()}/image')},
            'depth_fuzzer': {'source': source, **common}}


def problems(found: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the numbers of a run, one line each."""
    lines = []
    for name in INPUTS:
        if name not in found:
            continue
        result = found[name]
        lines += [f'{name}: {wrong}' for wrong in result['wrong']]
        if result['num_wrong'] > len(result['wrong']):
            lines.append(f'{name}: {result["num_wrong"]} in all')
        used = result['memory']
        for key, limit in (('end', GROWTH), ('peak', PEAK)):
            growth = used[key] - used['settled']
            if growth > limit:
                lines.append(f'{name}: the memory of the node ({key}) is {growth / 1e6:.0f} '
                             f'MB above that after the first messages, allowed: {limit / 1e6:.0f}')
    return lines


def report(results: Mapping[str, Any]) -> str:
    """Return the summary of the run as text."""
    lines = []
    for name in INPUTS:
        if name in results:
            result, totals = results[name], {}
            for fates in result['fates'].values():
                for fate, count in fates.items():
                    totals[fate] = totals.get(fate, 0) + count
            told = ', '.join(f'{count} {fate}' for fate, count in sorted(totals.items()))
            memory = {key: f'{value / 1e6:.0f}' for key, value in result['memory'].items()}
            lines.append(
                f'{name}: {result["messages"]} messages of {len(result["fates"])} kinds '
                f'({told}), {result["num_wrong"]} wrong; memory of the node: {memory["settled"]} '
                f'MB, at the end {memory["end"]} MB, at most {memory["peak"]} MB')
    return '\n'.join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the fuzz test."""
    judge(parse(arguments), run, problems, report)
