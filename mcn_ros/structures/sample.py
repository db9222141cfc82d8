# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""An image and what is known about it."""

from dataclasses import dataclass

import numpy as np

from mcn_ros.geometry import resample, Resampling, Size
from mcn_ros.structures.structure import Structure


@dataclass(frozen=True)
class Sample:
    """
    An image and what is known about it.

    :param image: (H, W, 3) uint8 RGB; float32 of a view in the style of CenterNet, 0..255 and
        beyond.
    :param annotations: task name -> annotation in the pixels of ``image``. A missing task is "not
        labelled"; an annotation without objects is "labelled, nothing there".
    :param id: names the image in messages.
    """

    image: np.ndarray
    annotations: dict[str, Structure]
    id: str = ''  # noqa: A003

    def warp(self, affine: np.ndarray, size: Size, resampling: Resampling = Resampling(),
             ) -> 'Sample':
        """Return image and annotations in another frame of ``size`` (height, width)."""
        annotations = {k: v.warp(affine, size) for k, v in self.annotations.items()}
        return Sample(resample(self.image, affine, size, resampling), annotations, self.id)

    def cut(self, min_visible: float) -> 'Sample':
        """Return the sample without what is outside of its image, see :meth:`Structure.cut`."""
        size = self.image.shape[:2]
        annotations = {k: v.cut(size, min_visible) for k, v in self.annotations.items()}
        return Sample(self.image, annotations, self.id)
