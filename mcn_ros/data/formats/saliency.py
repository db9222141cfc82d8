# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Masks of what stands out, as ECSSD, DUTS and others have them: gray, 0 and 255."""

from functools import partial
from pathlib import Path
from typing import Sequence

import numpy as np

from mcn_ros.data.formats.content import Content, Labelling
from mcn_ros.data.formats.pairs import find_pairs, Pair
from mcn_ros.data.maps import read_pixels

HALF = 128  # between 0 and 255, at the rim of what stands out


def read(images: Path, masks: Path, *, tasks: Sequence[str], only: str) -> Content:
    """Read masks."""
    return Content(find_pairs(images, masks, only), partial(_read, tasks=tasks))


def _read(pair: Pair, tasks: Sequence[str]) -> Labelling:
    pixels = read_pixels(pair.labels, pair.size)
    if pixels.dtype != np.uint8 or pixels.ndim == 3 and (
            pixels[..., :3] != pixels[..., :1]).any():
        raise ValueError(f'{pair.labels}: expected gray of 8 bit, 0 and 255')
    mask = pixels if pixels.ndim == 2 else pixels[..., 0]
    if 0 < mask.max() < HALF:
        raise ValueError(f'{pair.labels}: expected 0 and 255, the largest value is {mask.max()}')
    return Labelling(dict.fromkeys(tasks, (mask >= HALF).astype(np.uint8)))
