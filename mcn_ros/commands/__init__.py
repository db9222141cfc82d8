# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Command line programs: each parses, calls and prints."""

from argparse import Namespace
from collections.abc import Iterator
import contextlib
import json
import os
from pathlib import Path
import sys
import tempfile
from typing import Any

from mcn_ros.files import replaced_file


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """
    End the program with one line on standard error where what the user gave is wrong.

    ValueError and OSError (exit code 1) speak of arguments, configurations and files, and
    FloatingPointError of a training that diverges; anything else is a bug and keeps its
    traceback. An interrupt ends quietly (exit code 130, as in shells).
    """
    try:
        yield
    except (ValueError, OSError, FloatingPointError) as error:
        print(f'{os.path.basename(sys.argv[0])}: error: {error}', file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def check_writable(path: Path) -> None:
    """
    Find out at the start of a long run whether its results can be written.

    :param path: of a file; what is there stays as it is.
    :raises OSError: if it cannot.
    """
    if path.is_dir():
        raise IsADirectoryError(f'{path}: is a folder')
    check_folder(path.parent)


def check_folder(path: Path) -> None:
    """
    Find out at the start of a long run whether files can be written to a folder.

    :param path: of the folder, which need not be there yet; nothing is left in it.
    :raises OSError: if they cannot.
    """
    existing = next(part for part in (path, *path.absolute().parents) if os.path.lexists(part))
    if not existing.is_dir():
        raise NotADirectoryError(f'{path}: {existing} is not a folder')
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise OSError(f'{path}: cannot be written to: {error.strerror}') from error


def check_results(args: Namespace) -> None:
    """
    Find out at the start of a long run whether --json, --report and --log can be written.

    :param args: a command line, which may have them or not.
    :raises OSError: if one cannot.
    """
    if getattr(args, 'json', None):
        check_writable(args.json)
    for folder in (getattr(args, 'report', None), getattr(args, 'log', None)):
        if folder:
            check_folder(folder)


def write_json(path: Path, content: Any) -> None:
    """
    Write a JSON file, which is whole or as it was before.

    :raises OSError: if it cannot be written, such as on a full disk.
    :raises ValueError: for numbers that are not finite.
    """
    text = json.dumps(content, indent=2, allow_nan=False) + '\n'
    with replaced_file(path) as partial:
        partial.write_text(text)
