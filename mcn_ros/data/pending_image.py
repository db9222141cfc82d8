# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Images that are read when a view of them is known, and then no larger than it needs them.

Decoders of JPEG average blocks of pixels for less than half of what all pixels cost.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

from mcn_ros.data.image_cache import ImageCache

REDUCTIONS = (8, 4, 2, 1)  # that decoders of JPEG have


class UnreadableImage(ValueError):
    """An image cannot be read; the message says which, and why."""


@dataclass(frozen=True)
class PendingImage:
    """
    An image that is not read yet.

    :param path: of its file.
    :param shape: (height, width, channels) in camera pixels.
    :param decode: returns the pixels, (H, W, 3) uint8, for a reduction; ValueError if it cannot.
    :param cache: where pixels are kept, None for nowhere.
    :param least: the reduction that every view of the image can have; the cache has this one.
    """

    path: Path
    shape: tuple[int, int, int]
    decode: Callable[[int], np.ndarray]
    cache: ImageCache | None = None
    least: int = 1

    def read(self, most: float = 1) -> tuple[np.ndarray, int]:
        """
        Read the pixels.

        :param most: by how much they may be reduced.
        :return: (H, W, 3) uint8 RGB, not to be written to, and the reduction.
        :raises UnreadableImage: naming the file.
        """
        reduction = whole_reduction(most) if self.cache is None else self.least
        try:
            if self.cache is None:
                return self.decode(reduction), reduction
            return self.cache.read(self.path, reduction, lambda: self.decode(reduction)), reduction
        except ValueError as error:
            raise UnreadableImage(str(error)) from error


def whole_reduction(most: float) -> int:
    """Return the largest reduction that decoders have, and that is no larger than ``most``."""
    return next((reduction for reduction in REDUCTIONS if reduction <= most), 1)
