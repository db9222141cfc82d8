# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Files and folders that appear under their names when they are complete, or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import os
from pathlib import Path
import tempfile


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """
    Yield where to write what takes the place of a file, once it is whole and on the disk.

    Whoever may read new files may read it, whatever a library thinks of those that it writes.

    :param path: its folder is made where it is missing.
    :raises OSError: if that fails; the file is as it was.
    """
    partial = path.with_name(path.name + '.partial')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        mode = partial.stat().st_mode
        yield partial
        partial.chmod(mode)
        with open(partial, 'rb') as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise OSError(f'{path}: cannot be written, what was there before is unchanged: '
                      f'{error}') from error
    finally:
        with suppress(OSError):  # where there is not even a folder
            partial.unlink()


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """
    Yield a path of the same name, in a hidden folder, for what becomes a new folder.

    :raises ValueError: if there is something of that name already.
    """
    if os.path.lexists(path):
        raise ValueError(f'{path}: exists already')
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent) as hidden:
        partial = Path(hidden, path.name)
        yield partial
        os.rename(partial, path)
