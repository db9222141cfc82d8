# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Masks that tell one object from the next, as those of the Penn-Fudan pedestrians.

L. Wang et al., "Object Detection Combining Recognition and Segmentation", ACCV 2007. A mask is
gray: 0 is background, k object k; 255 of 8 bit is what nobody has told apart, and becomes a crowd.
Boxes are those of the pixels that are seen: nothing is known of what is hidden.
"""

from pathlib import Path
from typing import Any, Sequence

import numpy as np

from mcn_ros.data.formats.content import Content, Labelling
from mcn_ros.data.formats.pairs import find_pairs, Pair
from mcn_ros.data.maps import read_pixels
from mcn_ros.data.masks import encode_mask
from mcn_ros.structures import IGNORE
from mcn_ros.vocabulary import PERSON


def read(images: Path, masks: Path, *, tasks: Sequence[str], only: str,
         category: str = PERSON) -> Content:
    """Read objects, all of one category; there are no maps, so no task is named."""
    assert not tasks, tasks
    return Content(find_pairs(images, masks, only), _read, [category])


def _read(pair: Pair) -> Labelling:
    numbers = read_pixels(pair.labels, pair.size)
    if numbers.ndim != 2:
        raise ValueError(f'{pair.labels}: expected gray, with the number of the object at every '
                         f'pixel, got {numbers.shape[2]} channels')
    nobody = IGNORE if numbers.dtype == np.uint8 else None
    return Labelling(objects=[_annotation(numbers == number, number == nobody)
                              for number in np.unique(numbers[numbers > 0])])


def _annotation(mask: np.ndarray, crowd: bool) -> dict[str, Any]:
    """Return the keys of an annotation of the first category."""
    return {'category_id': 1, 'iscrowd': int(crowd), **encode_mask(mask)}
