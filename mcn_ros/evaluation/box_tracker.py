# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The tracker of the node as it is without depth, to compare with."""

from typing import Any, Mapping

from mcn_ros.structures import Structure
from mcn_ros.tracking import Tracker


class BoxTracker(Tracker):
    """Ids by what is seen in the image; see :class:`mcn_ros.tracking.Tracker`."""

    def update(self, time_ns: int, predictions: Mapping[str, Structure],
               **known: Any) -> dict[str, Structure]:
        """Return the predictions with ids, wherever on the ground they are."""
        return super().update(time_ns, predictions)
