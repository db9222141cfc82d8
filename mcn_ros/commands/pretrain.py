# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train a backbone without labels: ``pretrain CONFIG.yaml [key=value ...]``."""

import argparse
from pathlib import Path
from typing import Sequence

from mcn_ros.commands import check_folder, clear_errors
from mcn_ros.commands.train import build_config, read_yaml
from mcn_ros.mae.pretrain import BACKBONE, pretrain, PretrainConfig


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog='pretrain', description='Train a backbone on images or bags without labels, by '
        'having it reconstruct what is hidden. The same command again goes on where it was '
        'interrupted.')
    parser.add_argument('config', type=Path, help='YAML file of a PretrainConfig')
    parser.add_argument('overrides', nargs='*', metavar='key=value',
                        help='replace a value, for example steps=100 images=[BAG,FOLDER]')
    args = parser.parse_args(arguments)
    with clear_errors():
        config = build_config(PretrainConfig, read_yaml(args.config), args.overrides, args.config)
        check_folder(Path(config.run))
        loss = pretrain(config)
        print(f'loss {loss:.4f}; weights for backbone_weights: {Path(config.run, BACKBONE)}')
