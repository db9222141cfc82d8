# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Draw small scenes of known segments, to measure relations of patches."""

import argparse
from pathlib import Path
from typing import Sequence

from mcn_ros.commands import clear_errors
from mcn_ros.mae.scenes import KINDS, SIDE, write_scenes

LEAST_SIDE = 16


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='draw_scenes', description=__doc__)
    parser.add_argument('kind', choices=KINDS,
                        help='coloured: colour alone tells shapes; textured: only patterns do')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR',
                        help='folder to make: images/*.png and annotations.json')
    parser.add_argument('--count', type=int, required=True, metavar='N', help='number of scenes')
    parser.add_argument('--seed', type=int, default=0, metavar='S',
                        help='the same seed draws the same scenes (default: 0)')
    parser.add_argument('--side', type=int, default=SIDE, metavar='PIXELS',
                        help=f'width and height of the images (default: {SIDE})')
    args = parser.parse_args(arguments)
    for name, least in (('count', 1), ('seed', 0), ('side', LEAST_SIDE)):
        if getattr(args, name) < least:
            parser.error(f'--{name}: {getattr(args, name)} is not at least {least}')
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the scenes."""
    args = parse(arguments)
    with clear_errors():
        write_scenes(args.out, args.kind, args.count, args.seed, args.side)
        print(f'{args.count} scenes in {args.out}')
