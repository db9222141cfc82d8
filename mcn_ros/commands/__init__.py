# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Command line programs: each parses, calls and prints."""

from collections.abc import Iterator
import contextlib
import json
import os
from pathlib import Path
import sys
from typing import Any


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

    :raises OSError: if they cannot.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(f'{path}: is a folder')
    partial = _partial(path)
    partial.touch()
    partial.unlink()


def write_json(path: Path, content: Any) -> None:
    """
    Write a JSON file, which is whole or as it was before.

    :raises OSError: if it cannot be written, such as on a full disk.
    :raises ValueError: for numbers that are not finite.
    """
    text, partial = json.dumps(content, indent=2, allow_nan=False) + '\n', _partial(path)
    try:
        partial.write_text(text)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(f'{path}: cannot be written: {error}') from error


def _partial(path: Path) -> Path:
    return path.with_name(path.name + '.partial')
