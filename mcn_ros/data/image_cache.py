# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Pixels of decoded images in a folder, for whoever reads the same images many times.

A file is named after the path, size and time of its image, and how much it is reduced. So an image
that changed has another file, and trainings of other sizes can share the folder; what is no longer
needed is not removed. Files appear whole or not at all, whoever writes them at the same time.
"""

from hashlib import blake2b
import logging
import mmap
import os
from pathlib import Path
import struct
import tempfile
from typing import Callable

import numpy as np

HEADER = struct.Struct('<8sII')  # what the file is, height and width
KIND = b'mcn rgb1'


class ImageCache:
    """
    A folder of decoded images, which is filled as they are read.

    :param folder: made where it is missing.
    :raises ValueError: if it cannot be made, or not be written to.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self._full = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as error:
            raise ValueError(f'cache: {folder}: cannot be written to ({error.strerror})'
                             ) from error

    def read(self, image: Path, reduction: int, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """
        Return the pixels of an image.

        :param image: its file.
        :param reduction: how much it is reduced.
        :param decode: returns (H, W, 3) uint8 where they are not in the cache yet; what it raises
            is raised.
        :return: (H, W, 3) uint8, not to be written to.
        """
        try:
            path = self._path(image, reduction)
        except OSError:  # a missing image is the decoder's to report
            return decode()
        pixels = _load(path)
        if pixels is None:
            pixels = decode()
            self._store(path, pixels)
        return pixels

    def _path(self, image: Path, reduction: int) -> Path:
        facts = os.stat(image)
        key = os.path.abspath(image), facts.st_size, facts.st_mtime_ns, reduction
        name = blake2b(repr(key).encode(), digest_size=16).hexdigest()
        return self.folder / name[:2] / f'{name[2:]}.rgb'

    def _store(self, path: Path, pixels: np.ndarray) -> None:
        """Write a file; where that fails, as on a full disk, go on without."""
        if self._full:
            return
        partial = None
        try:
            path.parent.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                partial = file.name
                file.write(HEADER.pack(KIND, *pixels.shape[:2]))
                file.write(np.ascontiguousarray(pixels).data)
            os.replace(partial, path)
        except OSError as error:
            self._full = True
            if partial is not None:
                Path(partial).unlink(missing_ok=True)
            logging.getLogger(__name__).warning(
                '%s: cannot be written to (%s): images that are not in it yet are decoded each '
                'time', self.folder, error.strerror)


def _load(path: Path) -> np.ndarray | None:
    """Return the pixels in a file, as far as they are looked at; None if it is not whole."""
    try:
        with open(path, 'rb') as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        kind, height, width = HEADER.unpack_from(data)
    except (OSError, ValueError, struct.error):  # missing, empty and shorter than a header
        return None
    if kind != KIND or len(data) != HEADER.size + height * width * 3:
        return None
    return np.frombuffer(data, np.uint8, offset=HEADER.size).reshape(height, width, 3)
