# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Make a weights file of a public network."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Callable, Mapping, Sequence

from mcn_ros.commands import check_writable, clear_errors
from mcn_ros.imports import movenet, nanodet, nanodet_plus
from mcn_ros.imports.start import new_network
from mcn_ros.model import MultiTaskNet
from mcn_ros.weights_file import save_model

SOURCES: Mapping[str, Callable[[Path], MultiTaskNet]] = {
    'movenet': movenet.read,
    'nanodet': nanodet.read,
    'nanodet_plus': nanodet_plus.read,
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
    parser.add_argument('--channels', type=int, metavar='N',
                        help='of the map of stride 4 beside what the file has, which starts anew '
                             '(default: that of the source)')
    return parser.parse_args(arguments)


def with_channels(model: MultiTaskNet, channels: int) -> MultiTaskNet:
    """
    Return the network with another width of the map of stride 4, whose layers start anew.

    :raises ValueError: where other layers than those of the map would, too.
    """
    trunk = replace(model.config.trunk, channels=channels)
    wider = new_network(replace(model.config, trunk=trunk))
    state = wider.state_dict()
    known = {name: values for name, values in model.state_dict().items()
             if name in state and values.shape == state[name].shape}
    if any('.top_down.' not in name for name in state.keys() - known.keys()):
        raise ValueError(f'channels: {channels}, but weights of this network are for '
                         f'{model.config.trunk.channels}')
    wider.load_state_dict(state | known)
    return wider.eval()


def main(arguments: Sequence[str] | None = None) -> None:
    """Import."""
    args = parse(arguments)
    with clear_errors():
        check_writable(args.out)
        model = SOURCES[args.source](args.file)
        if args.channels:
            model = with_channels(model, args.channels)
        if args.input_size:
            model.config = replace(model.config, input_size=tuple(args.input_size))
        args.out.parent.mkdir(parents=True, exist_ok=True)
        save_model(model, args.out)
        count = sum(parameter.numel() for parameter in model.parameters())
        print(f'{args.out}: {", ".join(model.tasks)}; {count:,} parameters')
