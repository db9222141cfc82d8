# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Masks of COCO files: polygons, or run lengths down the columns of the image.

They are checked before they are drawn: the COCO tools take memory for what a mask claims, and
read and write past it where its numbers do not fit together.
"""

from typing import Any, Mapping

import numpy as np
from pycocotools import mask as coco_mask

from mcn_ros.config import brief
from mcn_ros.geometry import Size

FARTHEST = 1_000_000  # pixels; no coordinate of an image is beyond
LONGEST_OUTLINE = 1_000_000  # pixels; the COCO tools take some 100 bytes for each

# A polygon has at least three points.
POLYGON_NUMBERS = 6

# A run length in a text is groups of 5 bits, least first, each a character from '0' on; 32 says
# that more follow, 16 in the last that it is negative. From the fourth on, a length is told by
# its difference from the last but one.
GROUP_BITS, MORE, NEGATIVE = 5, 32, 16
MOST_GROUPS = 7  # of 5 bits; lengths have 32


def numbers(values: Any, where: str) -> np.ndarray:
    """
    Check coordinates and other measures in pixels.

    :return: float32.
    :raises ValueError: for anything but a list of finite numbers up to FARTHEST.
    """
    try:
        array = np.asarray(values)
    except ValueError:  # lists of unequal lengths
        array = np.asarray('')
    # Text that looks like a number is none, and neither are true and integers beyond 64 bits.
    if array.dtype.kind not in 'iuf':
        raise ValueError(f'{where}: is not a list of numbers, but {brief(values)}')
    array = array.astype(np.float64)
    if not (np.abs(array) <= FARTHEST).all():
        raise ValueError(f'{where}: expected finite numbers up to {FARTHEST}, '
                         f'got {brief(values)}')
    return array.astype(np.float32)


def read_mask(segmentation: Any, size: Size, where: str) -> Any:
    """
    Check a mask of an annotation file.

    :param size: (height, width) of the image.
    :return: polygons as flat xy arrays in camera pixels, a compressed run-length dict, or None
        for nothing.
    :raises ValueError: for one that is malformed or does not fit the image.
    """
    if segmentation is None or segmentation == []:
        return None
    if isinstance(segmentation, dict):
        return _read_runs(segmentation, size, where) if segmentation else None
    if not isinstance(segmentation, list):
        raise ValueError(f'{where} is neither polygons nor run lengths')
    polygons = [numbers(polygon, where) for polygon in segmentation]
    if any(p.ndim != 1 or p.size % 2 for p in polygons):
        raise ValueError(f'{where} is neither polygons nor run lengths')
    if sum(_outline(p) for p in polygons) > LONGEST_OUTLINE:
        raise ValueError(f'{where} has an outline of more than {LONGEST_OUTLINE} pixels')
    return [p for p in polygons if p.size >= POLYGON_NUMBERS] or None


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """
    Return the keys of an annotation that say where an object is: bbox, area and segmentation.

    :param mask: (H, W) bool or 0 and 1.
    """
    runs = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {'bbox': coco_mask.toBbox(runs).tolist(), 'area': int(coco_mask.area(runs)),
            'segmentation': {'size': list(mask.shape), 'counts': runs['counts'].decode()}}


def draw_mask(labels: np.ndarray, mask: Any, value: int) -> None:
    """
    Write a value to the pixels of a mask, by the rule of the COCO tools.

    :param labels: (H, W) uint8, changed in place.
    :param mask: as :func:`read_mask` gives it for an image of this size.
    """
    height, width = labels.shape
    if isinstance(mask, dict):
        np.copyto(labels, value, casting='unsafe',
                  where=coco_mask.decode(mask).view(bool))
        return
    # Ten times faster than rasterising at the size of the image: most objects are small.
    points = np.concatenate(mask).reshape(-1, 2)
    left, top = np.maximum(np.floor(points.min(axis=0)) - 1, 0).astype(int)
    right, bottom = np.maximum(np.ceil(points.max(axis=0)) + 1, 0).astype(int)
    region = labels[top:bottom, left:right]
    if not region.size:
        return
    shifted = [(polygon.reshape(-1, 2) - [left, top]).ravel() for polygon in mask]
    # Merged while they are runs: as pixels, each polygon would take as much as all.
    runs = coco_mask.frPyObjects(shifted, *region.shape)
    pixels = coco_mask.decode(coco_mask.merge(runs) if len(runs) > 1 else runs[0])
    np.copyto(region, value, casting='unsafe', where=pixels.view(bool))


def _outline(polygon: np.ndarray) -> float:
    points = polygon.reshape(-1, 2)
    return float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1, initial=0).sum())


def _read_runs(segmentation: Mapping[str, Any], size: Size, where: str) -> dict[str, Any]:
    for key in ('size', 'counts'):
        if key not in segmentation:
            raise ValueError(f'{where} has no {key!r}')
    if segmentation['size'] != list(size):
        raise ValueError(f'{where}: a run-length mask is {brief(segmentation["size"])}, '
                         f'the image {list(size)}')
    counts = segmentation['counts']
    text = counts.encode(errors='surrogatepass') if isinstance(counts, str) else counts
    lengths = _decompressed(text) if isinstance(text, bytes) else _integers(text)
    pixels = size[0] * size[1]
    if lengths is None or (lengths < 0).any() or (lengths > pixels).any():
        raise ValueError(f'{where}: counts are no run lengths: {brief(counts)}')
    if lengths.sum() != pixels:
        raise ValueError(f'{where}: run lengths cover {lengths.sum()} pixels, the image has '
                         f'{pixels}')
    if isinstance(text, bytes):
        return {'size': list(size), 'counts': text}
    return coco_mask.frPyObjects({'size': list(size), 'counts': counts}, *size)


def _integers(values: Any) -> np.ndarray | None:
    """Return (N,) integers, None for anything else."""
    try:
        array = np.asarray(values)
    except ValueError:
        return None
    return array if array.ndim == 1 and array.dtype.kind in 'iu' else None


def _decompressed(text: bytes) -> np.ndarray | None:
    """Return the run lengths in a text, (N,) int64; None for one that is malformed."""
    groups = np.frombuffer(text, np.uint8).astype(np.int64) - ord('0')
    if not groups.size or ((groups < 0) | (groups >= 2 * MORE)).any() or groups[-1] & MORE:
        return None
    ends = np.flatnonzero(groups < MORE)
    starts = np.concatenate([[0], ends[:-1] + 1])
    sizes = ends - starts + 1
    if sizes.max() > MOST_GROUPS:
        return None
    place = GROUP_BITS * (np.arange(groups.size) - np.repeat(starts, sizes))
    lengths = np.add.reduceat((groups % MORE) << place, starts)
    lengths -= np.where(groups[ends] & NEGATIVE, 1 << GROUP_BITS * sizes, 0)
    for first in (1, 2):
        lengths[first::2] = np.cumsum(lengths[first::2])
    return lengths
