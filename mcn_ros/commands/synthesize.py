# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Draw procedural scenes, or one in which people walk: images and COCO annotations of it all."""

import argparse
from pathlib import Path
import re
from typing import Sequence

from mcn_ros.commands import clear_errors
from mcn_ros.data.bag_writer import START_NS
from mcn_ros.data.synthetic.maps import MAPS
from mcn_ros.data.synthetic.recipes import RECIPES
from mcn_ros.data.synthetic.sequence import write_sequence
from mcn_ros.data.synthetic.weather import WEATHERS
from mcn_ros.data.synthetic.write import write_dataset
from mcn_ros.geometry import Size

MIN_SIDE = 32
FPS = 10.0


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='synthesize', description=__doc__)
    parser.add_argument('--out', type=Path, required=True, metavar='DIR',
                        help='new or empty folder, or one that synthesize wrote before: receives '
                             'images/*.jpg, maps and annotations.json')
    number = parser.add_mutually_exclusive_group(required=True)
    number.add_argument('--count', type=int, metavar='N', help='number of scenes')
    number.add_argument('--sequence', type=int, metavar='N',
                        help='number of frames of one scene, in which people walk and the camera '
                             'moves: with stamps, track ids and places in metres')
    parser.add_argument('--fps', type=float, metavar='F',
                        help='frames per second of a sequence (default: 10)')
    parser.add_argument('--seed', type=int, default=0, metavar='S',
                        help='the same seed draws the same scenes (default: 0)')
    parser.add_argument('--size', type=_size, default=(320, 320), metavar='WxH',
                        help='width and height of the images (default: 320x320)')
    parser.add_argument('--scenes', choices=RECIPES, default='everyday',
                        help='simple: a few large things of six classes that are seen well, for '
                             'training runs of minutes (default: everyday)')
    parser.add_argument('--weather', type=_weathers, default=('clear',), metavar='NAME,...',
                        help=f'of {", ".join(WEATHERS)}; several take turns. Labels and maps are '
                             'those of the same scenes in clear weather (default: clear)')
    parser.add_argument('--maps', type=_maps, default=tuple(MAPS), metavar='NAME,...',
                        help=f'which maps to write beside the images, of {", ".join(MAPS)}; or '
                             'all, or none (default: all)')
    args = parser.parse_args(arguments)
    for name in ('count', 'sequence'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name}: {getattr(args, name)} is not at least 1')
    if args.fps is not None and args.sequence is None:
        parser.error('--fps: scenes have no time, only a --sequence has')
    if args.fps is not None and not 0 < args.fps <= 1000:
        parser.error(f'--fps: {args.fps} frames per second is not in 0..1000')
    if args.sequence is not None and len(args.weather) > 1:
        parser.error('--weather: a sequence has one, scenes may have several')
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


def _weathers(text: str) -> tuple[str, ...]:
    """Return the weathers that a text such as fog,rain names."""
    names = tuple(text.split(','))
    if not set(names) <= {*WEATHERS} or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(
            f'{text!r} is not one or several of {", ".join(WEATHERS)}, with commas between them')
    return names


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
    recipe = RECIPES[args.scenes]
    with clear_errors():
        if args.sequence is None:
            write_dataset(args.out, args.count, args.seed, args.size, recipe, args.maps,
                          progress=True, weathers=args.weather)
            print(f'{args.count} scenes in {args.out}')
        else:
            write_sequence(args.out, args.sequence, args.fps or FPS, START_NS, args.seed,
                           args.size, recipe, args.maps, progress=True,
                           weather=args.weather[0])
            print(f'{args.sequence} frames in {args.out}')
