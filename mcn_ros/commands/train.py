# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train a network: ``train CONFIG.yaml [key=value ...]``."""

import argparse
from pathlib import Path
import re
from typing import Any, Mapping, Sequence, TypeVar

import yaml

from mcn_ros.commands import check_folder, clear_errors
from mcn_ros.config import from_dict
from mcn_ros.tasks import build_tasks
from mcn_ros.trainer.config import TrainConfig
from mcn_ros.trainer.train import summarise, train

C = TypeVar('C')


class Loader(yaml.SafeLoader):
    """YAML as of version 1.2, in which 1e-3 is a number rather than a word."""


Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float', re.compile(r'[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$'),
    list('-+0123456789'))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog='train', description='Train a network.')
    parser.add_argument('config', nargs='?', help='YAML file of a TrainConfig; the same one '
                                                  'again goes on with its run')
    parser.add_argument('overrides', nargs='*', metavar='key=value',
                        help='replace a value, for example steps=100 model.trunk.channels=32')
    parser.add_argument('--resume', type=Path, metavar='RUN',
                        help='go on with a run, with its own configuration and what is replaced')
    args = parser.parse_intermixed_args(arguments)
    if args.config is None and args.resume is None:
        parser.error('give either a configuration or --resume RUN')
    with clear_errors():
        if args.resume is None:
            values, overrides = read_yaml(Path(args.config)), args.overrides
        else:
            # The folder may have been moved; and without a configuration in front of them, the
            # parser takes the first override for one.
            values = {**read_yaml(args.resume / 'config.yaml'), 'run': str(args.resume)}
            overrides = [args.config, *args.overrides] if args.config else []
        config = build_config(TrainConfig, values, overrides, args.resume or args.config)
        check_folder(Path(config.run))
        scores = train(config, resume=args.resume is not None)
        if scores:
            print(summarise(scores, build_tasks(config.model.tasks)))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping from a YAML file; a ValueError names a file that holds something else."""
    values = _parse(path.read_bytes(), str(path))
    if not isinstance(values, dict):
        raise ValueError(f'{path}: expected a mapping')
    return values


def build_config(kind: type[C], values: Mapping[str, Any], overrides: Sequence[str],
                 origin: str | Path) -> C:
    """
    Return what a command is to do.

    :param kind: dataclass of the configuration.
    :param overrides: see :func:`apply_override`.
    :param origin: where the values are from, for errors.
    :raises ValueError: for values and overrides that make no such configuration.
    """
    for override in overrides:
        values = apply_override(values, override)
    try:
        return from_dict(kind, values)
    except ValueError as error:
        raise ValueError(f'{origin}: {error}') from error


def apply_override(values: Mapping[str, Any], override: str) -> dict[str, Any]:
    """
    Replace one value of a nested mapping.

    :param override: 'key=value' or 'outer.inner=value'; list items by number; the value is YAML.
    :raises ValueError: without '=', when the value is no YAML or a list has no such item.
    """
    path, separator, text = override.partition('=')
    if not separator:
        raise ValueError(f'{override!r}: expected key=value')
    return _replaced(values, path.split('.'), _parse(text, repr(override)), override)


def _parse(text: str | bytes, where: str) -> Any:
    try:
        return yaml.load(text, Loader)
    # The last are what PyYAML makes of a tag like !!bool or !!int on another text, and of nesting.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError,
            RecursionError) as error:
        raise ValueError(f'{where}: {" ".join(str(error).split())}') from error


def _replaced(values: Any, keys: list[str], value: Any, override: str) -> Any:
    if not keys:
        return value
    key, *rest = keys
    if isinstance(values, list):
        if not key.isdigit() or int(key) >= len(values):
            raise ValueError(f'{override!r}: no item {key!r} (known: 0 to {len(values) - 1})')
        return [_replaced(item, rest, value, override) if i == int(key) else item
                for i, item in enumerate(values)]
    inner = values if isinstance(values, dict) else {}
    return {**inner, key: _replaced(inner.get(key), rest, value, override)}


if __name__ == '__main__':  # python -m, which torchrun starts
    main()
