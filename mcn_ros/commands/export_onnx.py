# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Write a network as an ONNX file, and check it against the network itself."""

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import Sequence

from mcn_ros.commands import check_writable, clear_errors
from mcn_ros.commands.runtime_options import add_weights_options
from mcn_ros.files import replaced_file
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.onnx_file import check_parity, export, LIBRARIES
from mcn_ros.runtime.weights import weights_path
from mcn_ros.weights_file import load_model


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='export_onnx', description=__doc__)
    add_weights_options(parser)
    parser.add_argument('--out', type=Path, required=True, metavar='FILE.onnx',
                        help='file to write')
    parser.add_argument('--size', type=int, nargs=2, metavar=('H', 'W'),
                        help='of the input images, multiples of 32 (default: that of the weights)')
    parser.add_argument('--maps', action='store_true',
                        help='end with the maps of the heads (logits), not with predictions')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Export."""
    args = parse(arguments)
    with clear_errors():
        missing = [name for name in LIBRARIES if find_spec(name) is None]
        if missing:
            raise ValueError(f'not installed: {", ".join(missing)} (pip install '
                             f'{" ".join(missing)})')
        check_writable(args.out)  # a path that cannot be written to should not cost an export
        model = load_model(weights_path(args.weights), args.heads, args.size)
        graph = InferenceGraph(model, args.maps)
        content = export(graph)
        differences = check_parity(content, graph)
        with replaced_file(args.out) as partial:
            partial.write_bytes(content)
        print(f'{args.out}: {len(content) / 2**20:.1f} MiB; from the network itself, it is apart '
              f'by at most {differences}')
        for name, shape in zip(graph.names, graph.layout.shapes):
            print(f'  {name} ({", ".join(["N", *map(str, shape[1:])])})')
