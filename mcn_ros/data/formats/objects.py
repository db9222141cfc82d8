# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What stands out among the objects of a COCO file, by the rule that drawn scenes follow.

An image says something only where all of its objects have masks: one that is not outlined, or a
crowd, could be what stands out. Where objects overlap, the smaller one is in front.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import numpy as np

from mcn_ros.data.coco_file import read_coco, Record
from mcn_ros.data.formats.content import Content, Labelling
from mcn_ros.data.formats.pairs import Pair
from mcn_ros.data.masks import draw_mask
from mcn_ros.data.synthetic.saliency import standing_out


def read(images: Path, annotations: Path, *, tasks: Sequence[str], only: str) -> Content:
    """
    Read the objects of a COCO file.

    :raises ValueError: if no image has masks of all of its objects.
    """
    records = {Pair(images / record.file_name, annotations): record
               for record in read_coco(annotations).records
               if outlined(record) and fnmatchcase(Path(record.file_name).stem, only)}
    if not records:
        raise ValueError(f'{annotations}: no image {only} with masks of all of its objects')
    return Content(list(records), partial(_read, records=records, tasks=tasks))


def outlined(record: Record) -> bool:
    """Return whether everything in an image is labelled, and every object has its own mask."""
    return (record.labelled is None and len(record.masks) > 0 and None not in record.masks
            and not record.crowd.any())


def salient(record: Record) -> np.ndarray:
    """Return what stands out, (H, W) uint8: 0 no, 1 yes; of an image that is outlined."""
    numbers, whole = np.zeros(record.size, np.uint16), np.zeros(len(record.masks))
    for row in np.argsort(-record.areas, kind='stable'):
        alone = np.zeros(record.size, np.uint8)
        draw_mask(alone, record.masks[row], 1)
        whole[row] = alone.sum()
        numbers[alone > 0] = row + 1
    seen = np.bincount(numbers.ravel(), minlength=len(whole) + 1)[1:]
    return np.isin(numbers, standing_out(numbers, seen / np.maximum(whole, 1))).astype(np.uint8)


def _read(pair: Pair, records: dict[Pair, Record], tasks: Sequence[str]) -> Labelling:
    if pair.size != records[pair].size:
        raise ValueError(f'{pair.image}: (height, width) is {pair.size}, but {pair.labels} says '
                         f'{records[pair].size}')
    return Labelling(dict.fromkeys(tasks, salient(records[pair])))
