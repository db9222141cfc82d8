# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Make a weights file of public CenterNet checkpoints."""

import argparse
from pathlib import Path
from typing import Sequence

from mcn_ros.centernet import build_network, read_centernet
from mcn_ros.commands import check_writable, clear_errors
from mcn_ros.weights_file import save_model


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='import_centernet', description=__doc__)
    parser.add_argument('checkpoint', type=Path, metavar='CHECKPOINT',
                        help='PyTorch file, for example ctdet_coco_dla_2x.pth; no code in it is '
                             'run')
    parser.add_argument('out', type=Path, metavar='OUT.safetensors', help='file to write')
    parser.add_argument('--pose', type=Path, metavar='CHECKPOINT2',
                        help='take poses from here, detections from the first; with two different '
                             'trunks this costs as much as two networks')
    parser.add_argument('--classes', nargs='+', default=(), metavar='NAME',
                        help='names of the classes in the order of the checkpoint (default: those '
                             'of COCO where there are 80, else class_1, class_2, ...)')
    parser.add_argument('--size', type=int, nargs=2, default=(512, 512), metavar=('H', 'W'),
                        help='of the input images, multiples of 32 (default: 512 512)')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Import."""
    args = parse(arguments)
    with clear_errors():
        check_writable(args.out)
        checkpoints = [read_centernet(args.checkpoint, args.classes)]
        if args.pose:
            checkpoints.append(read_centernet(args.pose))
            if checkpoints[1].task != 'pose':
                raise ValueError(f'pose: {args.pose} is for {checkpoints[1].task}')
        model = build_network(checkpoints, tuple(args.size))
        save_model(model, args.out)
        for checkpoint in checkpoints:
            print(f'{checkpoint.path}: {checkpoint.architecture}, {checkpoint.task}, head_conv '
                  f'{checkpoint.fields["head"]["width"]}')
            for name, reason in checkpoint.dropped.items():
                print(f'  left out: {name}, {reason}')
        count = sum(parameter.numel() for parameter in model.parameters())
        print(f'{args.out}: {", ".join(model.tasks)}; {count:,} parameters')
        streams = model.trunk.streams()
        if len(streams) > 1:
            trunk = sum(p.numel() for p in streams['shared'].parameters())
            print(f'  two trunks, as their weights differ: {trunk:,} parameters more and twice '
                  'the time of one')
