# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Make a weights file of a network with a narrower backbone, for a training to start from."""

import argparse
from pathlib import Path
from typing import Sequence

import numpy as np

from mcn_ros.commands import check_writable, clear_errors
from mcn_ros.data.calibration_images import CalibrationImages
from mcn_ros.geometry import letterbox, warp_image
from mcn_ros.network.backbones import BACKBONES
from mcn_ros.pruning.mobilenet import prune
from mcn_ros.runtime.int8 import Inputs
from mcn_ros.weights_file import load_model, save_model

COUNT = 192


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='prune_weights', description=__doc__)
    parser.add_argument('weights', type=Path, metavar='IN.safetensors',
                        help='file of a network with one trunk, whose backbone is a MobileNetV2')
    parser.add_argument('out', type=Path, metavar='OUT.safetensors', help='file to write')
    parser.add_argument('--backbone', required=True, choices=BACKBONES, metavar='NAME',
                        help='backbone of the new one, the same but for fewer channels, such as '
                             'mobilenet_v2_x1_5_slim')
    parser.add_argument('--images', required=True, metavar='SOURCE',
                        help='what it is to see: a folder of images, a video or a bag; no labels '
                             'are needed')
    parser.add_argument('--count', type=int, default=COUNT, metavar='N',
                        help='images of it to look at, spread evenly (default: %(default)s)')
    parser.add_argument('--size', type=int, nargs=2, default=(384, 384), metavar=('H', 'W'),
                        help='to look at them at, multiples of 32 (default: 384 384)')
    args = parser.parse_args(arguments)
    if args.count < 1:
        parser.error(f'--count: {args.count} is not positive')
    if any(side < 1 or side % 32 for side in args.size):
        parser.error(f'--size: {args.size} are no positive multiples of 32')
    if not Path(args.images).exists():
        parser.error(f'--images: {args.images!r} does not exist')
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    """Prune."""
    args = parse(arguments)
    with clear_errors():
        check_writable(args.out)
        model = load_model(args.weights)

        def draw(image: np.ndarray) -> np.ndarray:
            return warp_image(image, letterbox(image.shape[:2], args.size), args.size)

        images = Inputs(CalibrationImages(args.images, args.count), draw)
        pruned = prune(model, args.backbone, images)
        save_model(pruned, args.out)
        count, left = (sum(parameter.numel() for parameter in network.parameters())
                       for network in (model, pruned))
        print(f'{args.out}: {left:,} parameters for {count:,}')
