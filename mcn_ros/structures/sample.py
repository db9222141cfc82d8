# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""An image and what is known about it."""

from dataclasses import dataclass, replace

import numpy as np

from mcn_ros.geometry import resample, Resampling, Size
from mcn_ros.structures.structure import Structure


@dataclass(frozen=True)
class Sample:
    """
    An image and what is known about it.

    :param image: (H, W, 3) uint8 RGB.
    :param annotations: task name -> annotation in the pixels of ``image``. A missing task is "not
        labelled"; an annotation without objects is "labelled, nothing there".
    :param id: names the image in messages.
    :param colors: (3, 4) float32, an affine of red, green and blue that the pixels are still to go
        through, which takes them beyond 0..255; None for no change.
    """

    image: np.ndarray
    annotations: dict[str, Structure]
    id: str = ''  # noqa: A003
    colors: np.ndarray | None = None

    def warp(self, affine: np.ndarray, size: Size, resampling: Resampling = Resampling(),
             ) -> 'Sample':
        """Return image and annotations in another frame of ``size`` (height, width)."""
        annotations = {k: v.warp(affine, size) for k, v in self.annotations.items()}
        return replace(self, image=resample(self.image, affine, size, resampling),
                       annotations=annotations)

    def cut(self, min_visible: float) -> 'Sample':
        """Return the sample without what is outside of its image, see :meth:`Structure.cut`."""
        size = self.image.shape[:2]
        annotations = {k: v.cut(size, min_visible) for k, v in self.annotations.items()}
        return replace(self, annotations=annotations)
