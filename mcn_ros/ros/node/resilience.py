# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A predictor that outlives faults of its device: out of memory, a lost GPU, a driver that raises.

An image that cannot be worked on and a device that does not work look alike. They are told apart
by a blank image: where that works, the image was at fault.

After some errors a process can never use its GPU again, and freeing what it has there may end it.
Such a network is kept as it is: the process goes on on the CPU, or ends, to be started anew.
"""

from contextlib import suppress
from threading import Lock
import time
from traceback import clear_frames
from typing import Any, Callable, Hashable, Mapping, NamedTuple, Sequence

import torch

from mcn_ros.ros.node.inference import BatchResult, run_batch
from mcn_ros.runtime import Predictor
from mcn_ros.runtime.device_errors import is_sticky

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0  # between attempts to use a device that has failed

# Predictors on a GPU that this process cannot use any more: they are never freed.
LOST: list[Predictor] = []


class Absent(NamedTuple):
    """
    What is known of a predictor whose memory has been given back.

    :param device: that it was on, and ``backend``, ``heads`` and ``tasks`` as it had them.
    """

    device: str
    backend: str
    heads: Sequence[str]
    tasks: Mapping[str, Any]


class ResilientPredictor:
    """
    Runs frames; what fails is loaded again, at intervals that double.

    :param load: device -> predictor; may raise anything.
    :param device: 'auto', 'cpu', 'cuda' or 'cuda:N'; the one to use and to return to.
    :param on_device_error: 'retry', or 'cpu' for going on there until the device works again.
    :param log: is told what happens: a logger of rclpy or of Python.
    :param clock: seconds.
    :param on_lost: called with what is wrong when the process is of no more use: its device cannot
        be used until it is started anew, and on_device_error is 'retry'.
    :ivar predictor: the one in use; others may read it while one thread runs frames.
    """

    def __init__(self, load: Callable[[str], Predictor], device: str, on_device_error: str,
                 log: Any, clock: Callable[[], float] = time.monotonic,
                 on_lost: Callable[[str], None] = lambda problem: None):
        self._load = load
        self._wanted = device
        self._falls_back = on_device_error == 'cpu'
        self._log, self._on_lost = log, on_lost
        self._clock = clock
        self.predictor = load(device)
        self.device = self.predictor.device
        self._lock = Lock()
        self._problem = ''  # with the device, '' while it works
        self._works = True  # whether frames are worked on, be it on the CPU
        self._is_lost = False  # whether no attempt to use the device can succeed
        self._failed_at = self._due = 0.0
        self._wait = FIRST_WAIT_S

    @property
    def problem(self) -> str:
        """Return what is wrong with the device, with what is done about it; '' if nothing is."""
        with self._lock:
            if not self._problem:
                return ''
            if self._works:
                until = 'the node is started anew' if self._is_lost else 'it works'
                return f'{self._problem}; on the CPU until {until}'
            if self._is_lost:
                return f'{self._problem}; that lasts until the node is started anew'
            return (f'{self._problem}; tried again with an image from '
                    f'{max(self._due - self._clock(), 0.0):.0f} s on; if it lasts, restart the '
                    'node, or set on_device_error to cpu')

    @property
    def works(self) -> bool:
        """Return whether frames are worked on, be it on the CPU."""
        return self._works

    def run(self, frames: Mapping[Hashable, Any]) -> BatchResult:
        """Run frames, see :func:`run_batch`; while no device works, all fail at once."""
        if self._problem and not self._is_lost and self._clock() >= self._due:
            self._try_again()
        if not self._works:
            return BatchResult(failures=dict.fromkeys(frames, RuntimeError(self._problem)))
        batch = run_batch(self.predictor.batch, frames)
        # The predictor raises ValueError for images that are none.
        error = next((e for e in batch.failures.values() if not isinstance(e, ValueError)), None)
        if error is not None and (is_sticky(error) or not self._passes(self.predictor)):
            for failure in batch.failures.values():
                _forget_frames(failure)
            self._give_up(error)
            if self._works:
                return run_batch(self.predictor.batch, frames)
        return batch

    def free(self) -> None:
        """Give the memory of the network back."""
        if self._is_lost:
            LOST.append(self.predictor)
        self.predictor = None
        self._empty_cache()

    def _passes(self, predictor: Predictor) -> bool:
        try:
            predictor.warm_up()
        # Whatever a driver may raise.
        except Exception as error:
            self._is_lost |= is_sticky(error)
            _forget_frames(error)
            return False
        return True

    def _give_up(self, error: Exception) -> None:
        device = self.predictor.device
        self._is_lost |= is_sticky(error)
        with self._lock:
            self._problem = f'{device} fails: {type(error).__name__}: {_first_line(error)}'
            self._failed_at, self._wait = self._clock(), FIRST_WAIT_S
            self._due = self._failed_at + self._wait
            self._works = False
        self._works = self._falls_back and device != 'cpu' and self._take('cpu')
        self._log.error(self.problem)
        self._end_if_lost()

    def _try_again(self) -> None:
        """Use the device again: with the network that is there, else with a new one."""
        returned = (self.predictor.device == self.device
                    and not isinstance(self.predictor, Absent) and self._passes(self.predictor))
        if not returned and (self._is_lost or not self._take(self._wanted)):
            with self._lock:
                self._wait = min(2 * self._wait, LONGEST_WAIT_S)
                self._due = self._clock() + self._wait
            if not self._works and self._falls_back and self.device != 'cpu':
                self._works = self._take('cpu')
            self._end_if_lost()
            return
        with self._lock:
            self._problem, self._works = '', True
        self._log.warning(
            f'{self.device} works again after {self._clock() - self._failed_at:.0f} s')

    def _end_if_lost(self) -> None:
        if self._is_lost and not self._falls_back:
            self._on_lost(self.problem)

    def _take(self, device: str) -> bool:
        """Load the network on a device; return whether it works there."""
        tasks = self.predictor.tasks
        self._release()
        try:
            predictor = self._load(device)
            predictor.warm_up()
            if device == self._wanted and predictor.device != self.device:
                raise ValueError(f'{self.device} is gone')
            if predictor.tasks != tasks:
                raise ValueError('the weights are no longer the same')
        # Whatever a driver may raise, and what has become of the weights file.
        except Exception as error:
            self._log.warning(f'cannot use {device}: {_first_line(error)}')
            _forget_frames(error)
            self._is_lost |= device != 'cpu' and is_sticky(error)
            return False
        self.predictor = predictor
        return True

    def _release(self) -> None:
        """Give back the memory of a network on a GPU that fails: there may be no room for two."""
        old = self.predictor
        if old.device == 'cpu' or isinstance(old, Absent):
            return
        if self._is_lost:
            LOST.append(old)
        # What others may read meanwhile.
        self.predictor = Absent(old.device, old.backend, old.heads, old.tasks)
        del old
        self._empty_cache()

    def _empty_cache(self) -> None:
        """Give memory back that PyTorch would keep for its own later use."""
        if not self._is_lost:
            with suppress(RuntimeError):  # of a GPU that is lost
                torch.cuda.empty_cache()


def _forget_frames(error: BaseException) -> None:
    """Let an error hold nothing of where it came from, such as a network."""
    while error is not None:
        clear_frames(error.__traceback__)
        error.__traceback__, error = None, error.__cause__ or error.__context__


def _first_line(error: Exception) -> str:
    """Return what an error says; those of CUDA go on with advice for developers."""
    return next(iter(str(error).strip().splitlines()), '')
