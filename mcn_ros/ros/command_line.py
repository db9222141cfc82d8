# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What users write behind the name of an executable, and what of it no one would have noticed."""

import argparse
from difflib import get_close_matches
import sys
from typing import Any, Callable, Mapping, Sequence

from rclpy.node import Node

HELP = ('-h', '--help')
QOS = 'qos_overrides.'


def check_command_line(name: str, description: str, parameters: Mapping[str, tuple[Any, str]],
                       args: Sequence[str] | None = None) -> None:
    """
    Print the help if it is asked for, and refuse arguments that are none of ROS.

    :param name: of the executable.
    :param description: what it does.
    :param parameters: name -> default, description.
    :param args: command line; None for that of the process.
    :raises SystemExit: with code 0 after the help, 2 for wrong arguments.
    """
    words = sys.argv[1:] if args is None else list(args)
    parser = argparse.ArgumentParser(
        prog=name, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=f'{name} [-h] [--ros-args [-p NAME:=VALUE] [-r FROM:=TO] [--params-file FILE] ...]',
        description=description.strip(), epilog='parameters:\n' + '\n'.join(
            f'  {parameter} (default: {default!r})\n      {text}'
            for parameter, (default, text) in parameters.items()))
    # Among the arguments of ROS, too, where it would be an error.
    if set(HELP) & set(words):
        parser.print_help()
        parser.exit()
    parser.parse_args(_without_ros(words))


def _without_ros(args: Sequence[str]) -> list[str]:
    """Return the arguments that are not between --ros-args and --, or the end."""
    rest, of_ros = [], False
    for word in args:
        if word == '--ros-args':
            of_ros = True
        elif of_ros:
            of_ros = word != '--'
        else:
            rest.append(word)
    return rest


def warn_of_unknown_parameters(node: Node, is_relevant: Callable[[str], bool] = (
        lambda name: not name.startswith(QOS))) -> None:
    """
    Log which parameters a user has given that the node does not have, and what may be meant.

    It is no error: files of parameters are often for several nodes.

    :param is_relevant: whether to look at a name; some are known once there are topics.
    """
    known = list(node.get_parameters_by_prefix(''))
    for name in node._parameter_overrides:  # rclpy does not tell of them otherwise
        if node.has_parameter(name) or not is_relevant(name):
            continue
        nearest = get_close_matches(name, known, 1)
        node.get_logger().warning(f'parameter {name}: this node has none of that name'
                                  + (f'; is {nearest[0]} meant?' if nearest else ''))
