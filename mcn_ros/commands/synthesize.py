# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Draw a data set of procedural scenes: images and COCO annotations of every kind."""

import argparse
from pathlib import Path
import re
from typing import Sequence

from mcn_ros.commands import clear_errors
from mcn_ros.data.synthetic.maps import MAPS
from mcn_ros.data.synthetic.recipes import RECIPES
from mcn_ros.data.synthetic.write import write_dataset
from mcn_ros.geometry import Size

MIN_SIDE = 32


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='synthesize', description=__doc__)
    parser.add_argument('--out', type=Path, required=True, metavar='DIR',
                        help='new or empty folder, or one that synthesize wrote before: receives '
                             'images/*.jpg, maps and annotations.json')
    parser.add_argument('--count', type=int, required=True, metavar='N', help='number of scenes')
    parser.add_argument('--seed', type=int, default=0, metavar='S',
                        help='the same seed draws the same scenes (default: 0)')
    parser.add_argument('--size', type=_size, default=(320, 320), metavar='WxH',
                        help='width and height of the images (default: 320x320)')
    parser.add_argument('--scenes', choices=RECIPES, default='everyday',
                        help='simple: a few large things of six classes that are seen well, for '
                             'training runs of minutes (default: everyday)')
    parser.add_argument('--maps', type=_maps, default=tuple(MAPS), metavar='NAME,...',
                        help=f'which maps to write beside the images, of {", ".join(MAPS)}; or '
                             'all, or none (default: all)')
    args = parser.parse_args(arguments)
    if args.count < 1:
        parser.error(f'--count: {args.count} is not at least 1')
    if args.seed < 0:
        parser.error(f'--seed: {args.seed} is negative')
    return args


def _size(text: str) -> Size:
    """Return (height, width) of a text such as 640x480."""
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    if not match or min(map(int, match.groups())) < MIN_SIDE:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not WIDTHxHEIGHT in pixels, both at least {MIN_SIDE}, like 640x480')
    width, height = map(int, match.groups())
    return height, width


def _maps(text: str) -> tuple[str, ...]:
    """Return the maps that a text such as normals,depth names."""
    names = {'all': tuple(MAPS), 'none': ()}.get(text, tuple(text.split(',')))
    unknown = [name for name in names if name not in MAPS]
    if unknown or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(
            f'{text!r} is not all, none, or some of {", ".join(MAPS)}, with commas between them')
    return names


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the scenes."""
    args = parse(arguments)
    with clear_errors():
        write_dataset(args.out, args.count, args.seed, args.size, RECIPES[args.scenes],
                      args.maps, progress=True)
    print(f'{args.count} scenes in {args.out}')
