# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The options of commands that say which network runs, where and how, and where results go."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from mcn_ros.data.calibration_images import CalibrationImages
from mcn_ros.runtime import RuntimeConfig
from mcn_ros.runtime.backends import BACKENDS, PRECISIONS


def add_weights_options(parser: ArgumentParser) -> None:
    """Add --weights and --heads."""
    parser.add_argument('--weights', default='', metavar='W',
                        help='weights file, or the name of shipped weights (default: those of the '
                             'package)')
    parser.add_argument('--heads', nargs='+', metavar='HEAD',
                        help='heads of the weights to use (default: all of them)')


def add_result_options(parser: ArgumentParser) -> None:
    """Add --json, --report and --against."""
    parser.add_argument('--json', type=Path, metavar='OUT', help='write all results to this file')
    parser.add_argument('--report', type=Path, metavar='DIR',
                        help='write a page with tables, curves and pictures: DIR/index.html')
    parser.add_argument('--against', type=Path, metavar='DIR',
                        help='folder of an earlier report, shown beside this run')


def add_runtime_options(parser: ArgumentParser) -> None:
    """Add --device, --backend, --precision and --calibration, see :func:`runtime_config`."""
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--backend', default='auto', choices=('auto', *BACKENDS),
                        help='what runs the network (default: the fastest that works here)')
    parser.add_argument('--precision', default='auto', choices=('auto', *PRECISIONS),
                        help='of the network (default: float16 on a GPU, float32 on a CPU)')
    parser.add_argument('--calibration', default='', metavar='PATH',
                        help='images like those that the network is to see, which the precision '
                             'int8 needs: a folder, a video or a bag')


def runtime_config(args: Namespace) -> RuntimeConfig:
    """
    Return what the options say.

    :raises ValueError: for images to calibrate with that do not exist.
    """
    calibration = CalibrationImages(args.calibration) if args.calibration else None
    return RuntimeConfig(args.device, args.backend, args.precision, calibration)


def runtime_parameters(runtime: RuntimeConfig) -> dict[str, str]:
    """Return the parameters of the node that say the same."""
    return {'device': runtime.device, 'backend': runtime.backend, 'precision': runtime.precision,
            'calibration': runtime.calibration.source if runtime.calibration else ''}
