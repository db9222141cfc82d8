# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Make a COCO file with maps of labels in a public format."""

import argparse
from pathlib import Path
from typing import Sequence

from mcn_ros.commands import clear_errors
from mcn_ros.data.formats import Format, FORMATS, import_labels
from mcn_ros.data.formats.content import ANNOTATIONS


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='import_labels', description=__doc__)
    formats = parser.add_subparsers(dest='format', required=True, metavar='FORMAT')
    for name, chosen in FORMATS.items():
        _add_arguments(formats.add_parser(name, help=chosen.summary, description=chosen.summary),
                       chosen)
    return parser.parse_args(arguments)


def _add_arguments(parser: argparse.ArgumentParser, chosen: Format) -> None:
    """Add what a format consists of, and its options."""
    for source in chosen.sources:
        parser.add_argument(source, type=Path, help='a file' if '.' in source else
                            'folder; labels have the name of their image, a word may follow')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR',
                        help=f'folder to make: {ANNOTATIONS} and a folder of maps for each task; '
                             'images stay where they are')
    parser.add_argument('--only', default='*', metavar='PATTERN',
                        help="files with labels of these names, such as 'camvid_*' (default: all)")
    if len(chosen.tasks) > 1:
        parser.add_argument('--tasks', type=lambda text: text.split(','), default=chosen.tasks,
                            metavar='NAME,...', help='that the maps are for (default: '
                                                     f'{",".join(chosen.tasks)})')
    for option, (default, meaning) in chosen.options.items():
        parser.add_argument(f'--{option}', type=type(default), default=default,
                            help=f'{meaning} (default: {default})')


def main(arguments: Sequence[str] | None = None) -> None:
    """Import."""
    args = vars(parse(arguments))
    name, out = args.pop('format'), args.pop('out')
    sources = [args.pop(source) for source in FORMATS[name].sources]
    with clear_errors():
        count = import_labels(name, sources, out, **args)
        print(f'{out / ANNOTATIONS}: {count} images, which are in {sources[0]}')
