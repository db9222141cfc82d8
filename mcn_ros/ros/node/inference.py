# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The one thread that runs the network, and which cameras it works for next.

The executor stays free for services and parameters while the network runs. Cameras take turns, so
that none starves: one that waits is served within as many batches as all cameras together need.
"""

from dataclasses import dataclass, field
from itertools import count
import math
from threading import Thread
from typing import Any, Callable, Hashable, Mapping, Sequence

from mcn_ros.ros.node.intake import Intake

PATIENCE_S = 1.5  # for the batch in work when the thread is stopped
MEASUREMENTS = 3  # of two batch sizes in turns; the fastest of each counts


class InferenceThread:
    """
    A thread that works on frames as they come, on those of several cameras at once.

    :param intake: where it waits for frames.
    :param process: called in the thread with cameras that have a frame: one batch. It takes their
        newest ones; it must not raise.
    :param largest_batch: most frames at once; None for no limit.
    :ivar largest_batch: may be changed by ``process``.
    """

    def __init__(self, intake: Intake, process: Callable[[list[Hashable]], None],
                 largest_batch: int | None = None):
        self.largest_batch = largest_batch
        self._intake = intake
        self._process = process
        # Camera -> number of its last turn among all turns.
        self._served: dict[Hashable, int] = {}
        self._numbers = count()
        self._stopping = False
        # A daemon, so that a network that hangs cannot keep the process alive.
        self._thread = Thread(target=self._run, name='inference', daemon=True)
        self._thread.start()

    def stop(self, patience_s: float = PATIENCE_S) -> bool:
        """
        End the thread; the batch in work is finished, frames that wait are left alone.

        :param patience_s: a network may hang; the thread is then left alone.
        :return: whether the thread has ended.
        """
        self._stopping = True
        self._intake.wake()
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping:
            waiting = self._intake.wait()
            if waiting is None:
                return
            if waiting and not self._stopping:
                self._process(self._choose(waiting))

    def _choose(self, waiting: Sequence[Hashable]) -> list[Hashable]:
        """Return whose turn it is: of those that wait, who was served longest ago."""
        cameras = sorted(waiting, key=lambda camera: self._served.get(camera, -1))
        cameras = cameras[:self.largest_batch]
        self._served.update(zip(cameras, self._numbers))
        return cameras


def useful_batch(seconds: Callable[[int], float], num_cameras: int) -> int:
    """
    Return how many frames are best worked on at once.

    That is the batch size with which frames of all cameras that come together have their results
    earliest, on average. A processor that one frame keeps busy takes as long for two frames at
    once as for one after the other, and the first one would only wait for the second; on a GPU a
    batch may take hardly longer than a frame.

    :param seconds: runs a batch of the given size, and returns the time that it took; infinity
        where that many frames cannot be worked on at once.
    """
    # The smallest sizes with which the cameras are served in so many batches.
    sizes = sorted({math.ceil(num_cameras / num_batches)
                    for num_batches in range(1, num_cameras + 1)})
    best = sizes[0]
    seconds(best)  # the first pass of a size prepares something
    for size in sizes[1:]:
        seconds(size)
        # In turns: other work that keeps the processor busy for a while is then no reason.
        passed = [(seconds(best), seconds(size)) for _ in range(MEASUREMENTS)]
        shortest, larger = map(min, zip(*passed))
        if larger * _turns(size, num_cameras) >= shortest * _turns(best, num_cameras):
            break
        best = size
    for size in set(range(1, best)).difference(sizes):
        seconds(size)  # as many may come together
    return best


def _turns(size: int, num_cameras: int) -> int:
    """Return after how many batches the cameras have their results, summed up over them."""
    return sum(index // size + 1 for index in range(num_cameras))


@dataclass
class BatchResult:
    """
    What became of a batch.

    :param results: camera -> result.
    :param failures: camera -> why there is none.
    :param too_large: why the frames failed together, where each one succeeded alone.
    """

    results: dict[Hashable, Any] = field(default_factory=dict)
    failures: dict[Hashable, Exception] = field(default_factory=dict)
    too_large: Exception | None = None


def run_batch(run: Callable[[Sequence[Any]], Sequence[Any]],
              frames: Mapping[Hashable, Any]) -> BatchResult:
    """
    Run frames at once; where that fails, one after the other: one may be all that is wrong.

    :param run: frames -> results; may raise anything.
    :param frames: camera -> frame.
    """
    batch = BatchResult()
    try:
        batch.results.update(zip(frames, run(list(frames.values()))))
        return batch
    # Whatever a network or a driver may raise, such as for a lack of GPU memory: the next frame
    # may be fine again.
    except Exception as error:
        if len(frames) == 1:
            batch.failures = dict.fromkeys(frames, error)
            return batch
        together = error
    for camera, frame in frames.items():
        alone = run_batch(run, {camera: frame})
        batch.results.update(alone.results)
        batch.failures.update(alone.failures)
    if not batch.failures:
        batch.too_large = together
    return batch
