# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Images and the files with their labels, which are in another folder under the same names."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
import functools
from pathlib import Path

from mcn_ros.data.frames import IMAGE_SUFFIXES
from mcn_ros.data.image_formats import EncodedImage
from mcn_ros.data.listing import list_files
from mcn_ros.geometry import Size

PNGS = ('.png',)


@dataclass(frozen=True)
class Pair:
    """
    An image and its labels.

    :param image: the file of the image.
    :param labels: the file with its labels.
    """

    image: Path
    labels: Path

    @property
    def name(self) -> str:
        """Return the name of the image without the ending."""
        return self.image.stem

    @functools.cached_property
    def size(self) -> Size:
        """Return (height, width) of the image; ValueError if it is none."""
        file = EncodedImage.read(self.image)
        try:
            return file.size()
        except ValueError as error:
            raise ValueError(f'{self.image}: is not an image that can be read: {error}') from error


def find_pairs(images: Path, labels: Path, only: str = '*',
               endings: Sequence[str] = PNGS) -> list[Pair]:
    """
    Return the images that have labels, in the natural order of the names of these.

    Labels have the name of their image, with another ending; a word may follow, as in
    ``0001TP_006690_L.png`` and ``FudanPed00001_mask.png``.

    :param images: folder of the images; there may be others.
    :param labels: folder of the labels.
    :param only: pattern of the names of the labels, without their ending, as of a shell.
    :param endings: of the files with labels, lower case.
    :raises ValueError: for labels without an image, or that are not the only ones of an image.
    """
    by_name = _by_name(images)
    pairs: dict[Path, Pair] = {}
    for path in _files(labels, endings):
        if fnmatchcase(path.stem, only):
            image = by_name.get(path.stem) or by_name.get(path.stem.rpartition('_')[0])
            if image is None:
                raise ValueError(f'{path}: {images} has no image of this name')
            if image in pairs:
                raise ValueError(f'{path}: {image} has labels already, {pairs[image].labels}')
            pairs[image] = Pair(image, path)
    if not pairs:
        raise ValueError(f'{labels}: has no file {only} of {", ".join(endings)}')
    return list(pairs.values())


def _by_name(images: Path) -> dict[str, Path]:
    """Return name without ending -> image; ValueError for two of one name."""
    found: dict[str, Path] = {}
    for path in _files(images, IMAGE_SUFFIXES):
        if path.stem in found:
            raise ValueError(f'{path}: there is {found[path.stem].name}, too, and no telling of '
                             'which labels are')
        found[path.stem] = path
    return found


def _files(folder: Path, endings: Sequence[str]) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f'{folder}: no such folder')
    return list_files(folder, endings)
