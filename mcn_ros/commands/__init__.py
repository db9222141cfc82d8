# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Command line programs: each parses, calls and prints."""

from collections.abc import Iterator
import contextlib
import os
import sys


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
