# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Four views in one (A. Bochkovskiy, C. Wang, H. Liao, "YOLOv4", 2020, section 3.3)."""

from dataclasses import replace
from functools import reduce
from typing import Any, Sequence

import numpy as np

from mcn_ros.geometry import Size
from mcn_ros.structures import clip_boxes, crowd_rows, Sample

TILES = 4


def tile_size(size: Size) -> Size:
    """Return the (height, width) of each view in a mosaic of a size."""
    return size[0] // 2, size[1] // 2


def mosaic(samples: Sequence[Sample]) -> Sample:
    """
    Put four samples together: two above, two below.

    What one of them is not labelled for (a task or a class), the whole is not labelled for.

    :param samples: four of one size, in input pixels.
    :return: a sample of twice the height and width.
    """
    assert len(samples) == TILES
    height, width = samples[0].image.shape[:2]
    places = [(x, y) for y in (0, height) for x in (0, width)]
    image = np.empty((2 * height, 2 * width, 3), np.uint8)
    for (x, y), sample in zip(places, samples):
        image[y:y + height, x:x + width] = sample.image
    annotations = {
        name: reduce(_join, [_move(sample.annotations[name], place, (height, width))
                             for place, sample in zip(places, samples)])
        for name in samples[0].annotations
        if all(name in sample.annotations for sample in samples)}
    return Sample(image, annotations, ' + '.join(sample.id for sample in samples))


def _move(annotation: Any, place: tuple[int, int], size: Size) -> Any:
    """Put an annotation of a view into a mosaic; what leaves the view is cut off."""
    if hasattr(annotation, 'boxes'):
        annotation = replace(annotation, boxes=clip_boxes(annotation.boxes, size),
                             crowd=crowd_rows(annotation))
    affine = np.array([[1.0, 0.0, place[0]], [0.0, 1.0, place[1]]])
    return annotation.warp(affine, (2 * size[0], 2 * size[1]))


def _join(first: Any, second: Any) -> Any:
    """Join two annotations in the pixels of the same mosaic."""
    if hasattr(first, 'boxes'):
        joined = replace(first, **{
            name: np.concatenate([getattr(first, name), getattr(second, name)])
            for name in first.ROWS})
    else:  # labels, unknown (the largest value) where the annotation does not reach
        joined = replace(first, labels=np.minimum(first.labels, second.labels))
    if not hasattr(first, 'labelled_classes') or second.labelled_classes is None:
        return joined
    if first.labelled_classes is None:
        return replace(joined, labelled_classes=second.labelled_classes)
    return replace(joined, labelled_classes=first.labelled_classes & second.labelled_classes)
