# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The one thread that runs the network, and the newest frame of each camera that waits for it.

The executor stays free for services and parameters while the network runs, and no queue grows: a
frame that comes while another one of its camera waits takes its place.
"""

from threading import Condition, Thread
from typing import Any, Callable, Hashable


class InferenceThread:
    """
    A thread that is handed frames and works on the newest ones.

    :param process: called in the thread with all frames that wait, {camera: frame}: one batch. It
        must not raise.
    """

    def __init__(self, process: Callable[[dict[Hashable, Any]], None]):
        self._process = process
        self._waiting: dict[Hashable, Any] = {}
        self._changed = Condition()
        self._stopping = False
        # A daemon, so that a network that hangs cannot keep the process alive.
        self._thread = Thread(target=self._run, name='inference', daemon=True)
        self._thread.start()

    def put(self, camera: Hashable, frame: Any) -> bool:
        """Leave a frame; return whether it took the place of one that was still waiting."""
        with self._changed:
            replaced = camera in self._waiting
            self._waiting[camera] = frame
            self._changed.notify()
        return replaced

    def stop(self) -> None:
        """End the thread; the batch in work is finished, frames that wait are dropped."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if self._stopping:
                    return
                frames, self._waiting = self._waiting, {}
            self._process(frames)
