# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the commands that put the node on trial have in common."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from mcn_ros.commands import check_results, clear_errors, write_json
from mcn_ros.commands.runtime_options import (
    add_runtime_options, runtime_config, runtime_parameters)
from mcn_ros.runtime import weights_path

Found = dict[str, Any]


def add_trial_options(parser: ArgumentParser) -> None:
    """Add --weights, --json, --log, and what the network can be told of where and how."""
    parser.add_argument('--weights', default='', metavar='W',
                        help='weights file, or the name of shipped weights')
    parser.add_argument('--json', type=Path, metavar='OUT', help='file for the numbers')
    parser.add_argument('--log', type=Path, metavar='DIR',
                        help='folder for what the processes say (default: a temporary one)')
    add_runtime_options(parser)


def network_parameters(args: Namespace) -> dict[str, str]:
    """Return the ROS parameters of a node that say which network it runs, where and how."""
    return {'weights': str(weights_path(args.weights).resolve()),
            **runtime_parameters(runtime_config(args))}


def judge(args: Namespace, run: Callable[[Namespace], Found],
          problems: Callable[[Mapping[str, Any]], Sequence[str]],
          report: Callable[[Mapping[str, Any]], str]) -> None:
    """
    Run a trial, tell and write what was found, and fail if it is not as it has to be.

    :param run: returns what was found.
    :param problems: what must not be, one line each; written as 'problems' with the rest.
    :param report: what to print.
    """
    with clear_errors():
        check_results(args)
        result = run(args)
        result['problems'] = list(problems(result))
        if args.json:
            write_json(args.json, result)
        print(report(result))
        if result['problems']:
            raise ValueError('; '.join(result['problems']))
