# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Four views in one (A. Bochkovskiy, C. Wang, H. Liao, "YOLOv4", 2020, section 3.3)."""

from functools import reduce
from typing import Sequence

import numpy as np

from mcn_ros.geometry import Size
from mcn_ros.structures import clip, Sample, Structure

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
        name: reduce(lambda one, other: one.join(other), [
            _move(sample.annotations[name], place, (height, width))
            for place, sample in zip(places, samples)])
        for name in samples[0].annotations
        if all(name in sample.annotations for sample in samples)}
    return Sample(image, annotations, ' + '.join(sample.id for sample in samples))


def _move(annotation: Structure, place: tuple[int, int], size: Size) -> Structure:
    """Put an annotation of a view into a mosaic; boxes that leave the view are cut off."""
    affine = np.array([[1.0, 0.0, place[0]], [0.0, 1.0, place[1]]])
    return clip(annotation, size).warp(affine, (2 * size[0], 2 * size[1]))
