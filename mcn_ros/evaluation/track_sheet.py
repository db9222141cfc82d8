# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A picture of what a tracker does: frames of a bag with the ids of their objects."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Mapping

import cv2
import numpy as np

from mcn_ros.data.frames import Frame
from mcn_ros.data.results import SCORE_THRESHOLD
from mcn_ros.structures import id_rows, select, Structure
from mcn_ros.tasks import Task
from mcn_ros.visualization import contact_sheet, draw

COUNT, COLUMNS = 8, 4  # frames
QUALITY = 76


class TrackSheet:
    """
    Frames that are evenly spread over a bag; each is seen, then tracked, before the next one.

    :param tasks: task name -> task.
    :param total: number of frames.
    """

    def __init__(self, tasks: Mapping[str, Task], total: int):
        self._names = {name: task.classes for name, task in tasks.items()}
        self._wanted = set(np.linspace(0, total - 1, min(COUNT, total)).round().tolist())
        self._number, self._image = 0, None
        self.pictures: list[np.ndarray] = []

    def see(self, frame: Frame) -> None:
        """Take a frame."""
        self._image = frame.image if self._number in self._wanted else None
        self._number += 1

    def drawn(self, make: Callable[[Mapping[str, Task]], Any],
              ) -> Callable[[Mapping[str, Task]], Any]:
        """Return what makes trackers as ``make`` does, whose results are drawn."""
        return lambda tasks: _Drawn(make(tasks), self._draw)

    def _draw(self, objects: Mapping[str, Structure]) -> None:
        if self._image is not None:
            self.pictures.append(draw(self._image, {
                name: _tracked(found) for name, found in objects.items()}, self._names))
            self._image = None

    def write(self, path: Path) -> None:
        """
        Write the picture.

        :raises ValueError: where there is nothing to show.
        :raises OSError: if it cannot be written.
        """
        if not self.pictures:
            raise ValueError(f'{path}: no frame has objects that are tracked')
        sheet = cv2.cvtColor(contact_sheet(self.pictures, COLUMNS), cv2.COLOR_RGB2BGR)
        if not cv2.imwrite(str(path), sheet, (cv2.IMWRITE_JPEG_QUALITY, QUALITY)):
            raise OSError(f'{path}: cannot be written')


def _tracked(objects: Structure) -> Structure:
    """Return the objects that are shown and have an id, which is all that is written of them."""
    found = select(objects, (id_rows(objects) != '') & (objects.scores >= SCORE_THRESHOLD))
    return replace(found, scores=np.ones_like(found.scores))


class _Drawn:
    """A tracker whose results are drawn."""

    def __init__(self, tracker: Any, draw_objects: Callable[[Mapping[str, Structure]], None]):
        self._tracker, self._draw = tracker, draw_objects

    def update(self, *args: Any, **options: Any) -> dict[str, Structure]:
        """Return the predictions with ids."""
        found = self._tracker.update(*args, **options)
        self._draw(found)
        return found
