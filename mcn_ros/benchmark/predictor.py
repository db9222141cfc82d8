# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a predictor spends its time on: before the network, in it, and after it."""

from functools import partial
import time
from typing import Any, Mapping, Sequence

import numpy as np

from mcn_ros.benchmark.architectures import noise
from mcn_ros.benchmark.stopwatch import interleave, show, spread
from mcn_ros.geometry import Size
from mcn_ros.runtime import Predictor
from mcn_ros.tables import markdown

SIZES: tuple[Size, ...] = ((480, 640), (1080, 1920))
PARTS = ('pre', 'network', 'post')


class Splitter:
    """
    Notes when the network of a predictor begins and ends.

    :param predictor: its backend is wrapped until :meth:`release`.
    """

    def __init__(self, predictor: Predictor):
        self._predictor = predictor
        self._run = predictor.run
        self._network = (0.0, 0.0)
        predictor.run = self._timed

    def __call__(self, image: np.ndarray) -> tuple[float, ...]:
        """Look at an image; return pre-processing, network and post-processing in ms."""
        start = time.perf_counter()
        dict(self._predictor(image))  # all of it: predictions come to the camera when read
        times = (start, *self._network, time.perf_counter())
        return tuple(1000 * (after - before) for before, after in zip(times, times[1:]))

    def release(self) -> None:
        """Leave the predictor as it was."""
        self._predictor.run = self._run

    def _timed(self, inputs: np.ndarray) -> list[np.ndarray]:
        start = time.perf_counter()
        outputs = self._run(inputs)
        self._network = (start, time.perf_counter())
        return outputs


def measure(predictor: Predictor, seconds: float, sizes: Sequence[Size] = SIZES,
            ) -> list[dict[str, Any]]:
    """
    Measure a predictor.

    :param seconds: about what that may take.
    :param sizes: (height, width) of the camera images.
    :return: for each size 'ms' {'pre', 'network', 'post', 'total': spread}.
    """
    images = {size: noise(1, size)[0] for size in sizes}
    splits: dict[Size, list[tuple[float, ...]]] = {size: [] for size in sizes}
    splitter = Splitter(predictor)

    def look(size: Size) -> None:
        splits[size].append(splitter(images[size]))

    try:
        times = interleave({size: partial(look, size) for size in sizes}, seconds)
    finally:
        splitter.release()
    rows = []
    for size, total in times.items():
        parts = np.array(splits[size][-len(total):])  # without the warm-up
        rows.append({
            'size': list(size), 'backend': predictor.backend, 'precision': predictor.precision,
            'device': predictor.device, 'heads': list(predictor.heads),
            'ms': {**{name: spread(parts[:, index]) for index, name in enumerate(PARTS)},
                   'total': spread(total)}})
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the parts as a table: medians and quartiles, in milliseconds."""
    lines = [[f'{row["size"][1]}x{row["size"][0]}', row['backend'], row['precision'],
              *(show(row['ms'][name], 2) for name in (*PARTS, 'total'))] for row in rows]
    return markdown(['camera', 'backend', 'precision', 'pre-processing', 'network',
                     'post-processing', 'total'], lines, words=3)
