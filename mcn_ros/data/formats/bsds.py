# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Boundaries that several people have drawn in one image, as BSDS500 has them.

P. Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", PAMI 2011. A file of
labels is either the set's own, ``ID.mat`` with the regions of each annotator, or ``ID.png``, gray
of 16 bit: bit j is set where annotator j has drawn a line. What lines part are regions, and pixels
of lines belong to the nearest of them.
"""

from functools import partial
from pathlib import Path
from typing import Any, Sequence
import zlib

import cv2
import numpy as np
from scipy.io.matlab import loadmat, MatReadError

from mcn_ros.data.formats.content import Content, Labelling
from mcn_ros.data.formats.nearest import fill_nearest
from mcn_ros.data.formats.pairs import find_pairs, Pair
from mcn_ros.data.maps import read_pixels
from mcn_ros.geometry import Size
from mcn_ros.structures import UNKNOWN_REGION

# What the reader of MATLAB files raises where one is damaged, of a later version or no such file.
UNREADABLE = (ValueError, TypeError, LookupError, OverflowError, NotImplementedError, MatReadError,
              zlib.error)


def read(images: Path, labels: Path, *, tasks: Sequence[str], only: str) -> Content:
    """Read boundaries; the maps of all annotators of an image are one file, see maps."""
    pairs = find_pairs(images, labels, only, ('.png', '.mat'))
    return Content(pairs, partial(_read, tasks=tasks))


def _read(pair: Pair, tasks: Sequence[str]) -> Labelling:
    annotators = (_segmentations(pair.labels, pair.size) if pair.labels.suffix.lower() == '.mat'
                  else _drawings(pair.labels, pair.size))
    return Labelling(dict.fromkeys(tasks, np.concatenate(annotators)))


def _drawings(path: Path, size: Size) -> list[np.ndarray]:
    """Return the regions, (H, W) uint16, of every annotator who has a bit."""
    bits = read_pixels(path, size)
    if bits.ndim != 2 or bits.dtype != np.uint16:
        raise ValueError(f'{path}: expected gray of 16 bit, with one bit for each annotator')
    count = int(bits.max()).bit_length()
    if not count:
        raise ValueError(f'{path}: nobody has drawn a boundary')
    return [_parted((bits >> bit & 1).astype(bool), path) for bit in range(count)]


def _parted(lines: np.ndarray, path: Path) -> np.ndarray:
    """Return the regions, (H, W) uint16 from 1 on, that lines, (H, W) bool, part."""
    # Lines may go on from corner to corner, so regions do not.
    count, regions = cv2.connectedComponents((~lines).astype(np.uint8), connectivity=4)
    if not 1 < count < UNKNOWN_REGION:
        raise ValueError(f'{path}: {count - 1} regions between the lines of an annotator')
    return fill_nearest(regions, lines).astype(np.uint16)


def _segmentations(path: Path, size: Size) -> list[np.ndarray]:
    """Return the regions, (H, W) uint16, of every annotator of a file of the set."""
    try:
        annotators = loadmat(path)['groundTruth'].ravel()
        found = [annotator['Segmentation'][0, 0] for annotator in annotators]
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error})') from error
    except UNREADABLE as error:
        raise ValueError(f'{path}: has no groundTruth of BSDS500 ({error!r})') from error
    return [_checked(regions, path, size) for regions in found]


def _checked(regions: Any, path: Path, size: Size) -> np.ndarray:
    if regions.shape != size or regions.dtype.kind not in 'iu':
        raise ValueError(f'{path}: expected regions of (height, width) {size}, got '
                         f'{regions.shape} of {regions.dtype}')
    if regions.min() < 1 or regions.max() >= UNKNOWN_REGION:
        raise ValueError(f'{path}: expected regions from 1 to {UNKNOWN_REGION - 1}, got '
                         f'{regions.min()} to {regions.max()}')
    return regions.astype(np.uint16)
