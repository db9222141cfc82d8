# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Make a weights file of a public network."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Callable, Mapping, Sequence

from mcn_ros.commands import check_writable, clear_errors
from mcn_ros.imports import movenet
from mcn_ros.model import MultiTaskNet
from mcn_ros.weights_file import save_model

SOURCES: Mapping[str, Callable[[Path], MultiTaskNet]] = {
    'movenet': movenet.read,
}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='import_weights', description=__doc__)
    parser.add_argument('source', choices=SOURCES, metavar='SOURCE',
                        help=f'the network: {", ".join(SOURCES)}')
    parser.add_argument('file', type=Path, metavar='FILE',
                        help='its public file; no code in it is run')
    parser.add_argument('out', type=Path, metavar='OUT.safetensors', help='file to write')
    parser.add_argument('--input-size', type=int, nargs=2, metavar=('H', 'W'),
                        help='of the input images, multiples of 32 (default: that of the source)')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Import."""
    args = parse(arguments)
    with clear_errors():
        check_writable(args.out)
        model = SOURCES[args.source](args.file)
        if args.input_size:
            model.config = replace(model.config, input_size=tuple(args.input_size))
        args.out.parent.mkdir(parents=True, exist_ok=True)
        save_model(model, args.out)
        count = sum(parameter.numel() for parameter in model.parameters())
        print(f'{args.out}: {", ".join(model.tasks)}; {count:,} parameters')
