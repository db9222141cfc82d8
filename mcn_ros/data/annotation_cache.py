# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Annotation files that are read once per machine, by whichever process comes first.

The others find the records in a folder, their arrays mapped to memory that all of them share. A
file is named after the path, size and time of its annotations, so annotations that changed have
another one.
"""

from contextlib import contextmanager
from dataclasses import fields
import fcntl
from hashlib import blake2b
import io
import logging
import mmap
import os
from pathlib import Path
import pickle
import struct
from typing import Any, Iterator

from mcn_ros.data.coco_file import CocoFile, read_coco, Record
from mcn_ros.files import replaced_file

HEADER = struct.Struct('<8sQQ')  # what the file is, bytes of objects, number of arrays
KIND = b'mcn rec1'
SIZE = struct.Struct('<Q')
ALIGNMENT = 64

# Nothing else is made of what is in a file, whoever wrote it.
MODULES = {'mcn_ros.data.coco_file': {'CocoFile', 'Record'}, 'pathlib': {'Path', 'PosixPath'},
           'numpy': {'ndarray', 'dtype'}, 'numpy._core.numeric': {'_frombuffer'}}


def read_cached(source: Path | str, folder: Path, with_masks: bool) -> CocoFile:
    """
    Read an annotation file as :func:`mcn_ros.data.coco_file.read_coco` does.

    :param folder: where what has been read is kept.
    :raises ValueError: for a missing or malformed annotation file.
    """
    try:
        facts = os.stat(source)
    except OSError:
        return read_coco(source, with_masks)  # which says what is wrong
    kept = [field.name for field in fields(Record)]  # another release may keep something else
    key = os.path.abspath(source), facts.st_size, facts.st_mtime_ns, with_masks, kept
    path = folder / f'{blake2b(repr(key).encode(), digest_size=16).hexdigest()}.records'
    try:
        with _lock(path.with_suffix('.lock')):  # others wait rather than read the same
            file = _load(path)
            if file is None:
                file = read_coco(source, with_masks)
                _store(path, file)
            return file
    except OSError as error:
        logging.getLogger(__name__).warning('%s: annotations are read without a cache: %s',
                                            folder, error)
        return read_coco(source, with_masks)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed, or the process ends
        yield


def _store(path: Path, file: CocoFile) -> None:
    """Write objects and, apart from them, their arrays."""
    arrays: list[pickle.PickleBuffer] = []
    objects = pickle.dumps(file, protocol=5, buffer_callback=arrays.append)
    with replaced_file(path) as partial, open(partial, 'wb') as out:
        out.write(HEADER.pack(KIND, len(objects), len(arrays)))
        out.write(b''.join(SIZE.pack(array.raw().nbytes) for array in arrays))
        out.write(objects)
        for array in arrays:
            out.write(bytes(-out.tell() % ALIGNMENT))
            out.write(array.raw())


def _load(path: Path) -> CocoFile | None:
    """Return what is in a file; None if there is none, or it is not whole."""
    try:
        with open(path, 'rb') as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        kind, length, count = HEADER.unpack_from(data)
        if kind != KIND:
            return None
        begin = HEADER.size + count * SIZE.size
        sizes = struct.unpack_from(f'<{count}Q', data, HEADER.size)
        end, arrays = begin + length, []
        for size in sizes:
            end += -end % ALIGNMENT
            arrays.append(data[end:end + size])
            end += size
        if end != len(data):
            return None
        return _Records(io.BytesIO(data[begin:begin + length]), buffers=arrays).load()
    except (OSError, ValueError, struct.error, pickle.UnpicklingError, EOFError):
        return None


class _Records(pickle.Unpickler):
    """Makes records, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if name not in MODULES.get(module, ()):
            raise pickle.UnpicklingError(f'{module}.{name} is no part of a record')
        return super().find_class(module, name)
