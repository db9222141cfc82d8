# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Predictions of an image, brought to its pixels only for who looks."""

from collections.abc import Iterator, Mapping
from typing import Callable

from mcn_ros.structures import Structure


class Predictions(Mapping[str, Structure]):
    """
    Predictions of an image by the names of the tasks.

    Each comes to camera pixels when it is first asked for: for large maps that takes longer than
    all else that is done on the host, and often nobody wants them.

    :param seen: task name -> prediction in input pixels.
    :param to_camera: returns a prediction in camera pixels.
    """

    def __init__(self, raw: Mapping[str, Structure],
                 to_camera: Callable[[Structure], Structure]):
        self._raw, self._to_camera = raw, to_camera
        self._warped: dict[str, Structure] = {}

    def __getitem__(self, name: str) -> Structure:
        """Return the prediction of a task in camera pixels."""
        if name not in self._warped:
            self._warped[name] = self._to_camera(self._raw[name])
        return self._warped[name]

    def __contains__(self, name: object) -> bool:
        # The one that is inherited would warp what is asked for.
        return name in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)
