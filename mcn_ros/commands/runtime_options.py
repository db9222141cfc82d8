# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The options of commands that say where and how a network runs."""

from argparse import ArgumentParser, Namespace

from mcn_ros.runtime import RuntimeConfig
from mcn_ros.runtime.backends import BACKENDS, PRECISIONS


def add_runtime_options(parser: ArgumentParser) -> None:
    """Add --device, --backend and --precision, see :func:`runtime_config`."""
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--backend', default='auto', choices=('auto', *BACKENDS),
                        help='what runs the network (default: the fastest that works here)')
    parser.add_argument('--precision', default='auto', choices=('auto', *PRECISIONS),
                        help='of the network (default: float16 on a GPU, float32 on a CPU)')


def runtime_config(args: Namespace) -> RuntimeConfig:
    """Return what the options say."""
    return RuntimeConfig(args.device, args.backend, args.precision)
