# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A few images that stand for all of a folder, a video or a bag."""

import hashlib
from itertools import count
from pathlib import Path
from typing import Iterator

import numpy as np

from mcn_ros.data.bags import is_bag
from mcn_ros.data.frames import Frame, IMAGE_SUFFIXES, read_frames
from mcn_ros.data.image_formats import EncodedImage
from mcn_ros.data.listing import list_files

COUNT = 100


class CalibrationImages:
    """
    Images spread evenly over a source; read when they are asked for.

    :param source: an image file, a folder of images, a video file or a bag with one image topic.
    :param most: images.
    :ivar digest: another one for other files: what counts is their names, sizes and times.
    :raises ValueError: for a source that does not exist.
    """

    def __init__(self, source: str, most: int = COUNT):
        self.source, self.most = source, most
        self._path = Path(source).expanduser()
        if not self._path.exists():
            raise ValueError(f'calibration: {source!r} does not exist (known: a folder of images, '
                             'an image, a video or a bag)')
        files = sorted(self._path.rglob('*')) if self._path.is_dir() else [self._path]
        facts = [(path.name, status.st_size, status.st_mtime_ns)
                 for path in files for status in [path.stat()]]
        self.digest = hashlib.sha256(repr((most, facts)).encode()).hexdigest()

    def __iter__(self) -> Iterator[np.ndarray]:
        """
        Yield (H, W, 3) uint8 RGB images.

        :raises ValueError: for a source without images, and for an image that cannot be read.
        """
        for frame in self._frames():
            try:
                yield frame.image
            except ValueError as error:
                raise ValueError(f'{self.source}: {frame.name}: {error}') from error

    def _frames(self) -> Iterator[Frame]:
        if self._path.is_dir() and not is_bag(self._path):
            # A folder may have many more files than are to be read.
            files = list_files(self._path, IMAGE_SUFFIXES)
            chosen = [files[index * len(files) // self.most] for index in range(self.most)] \
                if len(files) > self.most else files
            if not chosen:
                raise ValueError(f'{self.source}: a folder without images')
            return (Frame(file.stem, 0, EncodedImage.read(file)) for file in chosen)
        return iter(_thin(read_frames(str(self._path)), self.most))


def _thin(frames: Iterator[Frame], most: int) -> list[Frame]:
    """Return at most so many frames of a stream whose length is not known, at even distances."""
    kept: list[Frame] = []
    step = 1
    for index, frame in zip(count(), frames):
        if index % step == 0:
            kept.append(frame)
        if len(kept) > most:
            kept, step = kept[::2], 2 * step
    return kept
