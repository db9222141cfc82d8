# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the commands that run a network can be told of where and how."""

from argparse import ArgumentParser

from mcn_ros.runtime.backends import BACKENDS, PRECISIONS


def add_runtime_options(parser: ArgumentParser) -> None:
    """Add --device, --backend and --precision, see :class:`mcn_ros.runtime.Predictor`."""
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--backend', default='auto', choices=('auto', *BACKENDS),
                        help='what runs the network (default: the fastest that works here)')
    parser.add_argument('--precision', default='auto', choices=('auto', *PRECISIONS),
                        help='of the network (default: float16 on a GPU, float32 on a CPU)')
