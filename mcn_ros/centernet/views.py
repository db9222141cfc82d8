# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Views of an image, and what CenterNet's code makes of what is found in them."""

from dataclasses import dataclass
from typing import Mapping, Sequence

from mcn_ros.geometry import Size
from mcn_ros.runtime.soft_nms import merge
from mcn_ros.runtime.views import Views
from mcn_ros.structures import Structure


@dataclass(frozen=True)
class CenterNetViews(Views):
    """Views that leave boxes beyond the image, and leftovers of the sorting out."""

    def finish(self, prediction: Structure, size: Size) -> Structure:
        """Return the prediction as it is."""
        return prediction

    def merge(self, predictions: Sequence[Mapping[str, Structure]]) -> Mapping[str, Structure]:
        """Put together what was found in each of several scales, leftovers included."""
        return merge(predictions, leftovers=True)
