# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A request to stop, by Ctrl-C or by whoever started the process."""

import signal
from typing import Any

SIGNALS = signal.SIGINT, signal.SIGTERM


class StopRequest:
    """
    Within its context, notes the first SIGINT or SIGTERM; the next raises KeyboardInterrupt.

    :ivar asked: whether a signal has come.
    """

    def __init__(self):
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> 'StopRequest':
        self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
