# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the node tells about the depth of a camera on /diagnostics."""

from collections import Counter, deque
from threading import Lock
import time
from typing import Callable

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

WINDOW_S = 10.0

# What becomes of an image whose results are wanted in space.
FOUND = 'results in space'
MISSING = 'no depth for image'
REFUSED = 'depth refused'
PLACELESS = 'objects without depth'


class DepthStatistics:
    """
    Counts of one camera; the inference thread writes to it, the executor reads.

    :param clock: seconds that never jump, whatever happens to ROS time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = Lock()
        self._fates: deque[tuple[float, str]] = deque()
        self._totals: Counter[str] = Counter()
        self._nearest_s: float | None = None
        self._error = ''

    def add_found(self, placeless: int) -> None:
        """Count an image with results; ``placeless`` of its objects have no depth."""
        with self._lock:
            self._add(FOUND)
            self._totals[PLACELESS] += placeless

    def add_missing(self, nearest_s: float | None) -> None:
        """Count an image without depth; the nearest one is so many seconds away, if any is."""
        with self._lock:
            self._add(MISSING)
            self._nearest_s = nearest_s

    def add_refused(self, error: str, cause: str = REFUSED) -> None:
        """Count an image whose depth is wrong, or that something else than depth is missing to."""
        with self._lock:
            self._add(cause)
            self._error = error

    def _add(self, fate: str) -> None:
        self._fates.append((self._clock(), fate))
        self._totals[fate] += 1
        self._forget()

    def report(self, name: str, topic: str, silence: str, wanted: bool) -> DiagnosticStatus:
        """
        Return the status of now.

        :param name: of the status.
        :param topic: of the depth.
        :param silence: why no depth comes; '' where it does.
        :param wanted: whether somebody subscribes to results in space.
        """
        with self._lock:
            self._forget()
            level, message = self._judge(silence, wanted)
            totals = {FOUND: 0, MISSING: 0, REFUSED: 0, **self._totals}
            values = {key: str(num) for key, num in totals.items() if key != PLACELESS}
            values[PLACELESS] = str(self._totals[PLACELESS])
            values['last error'] = self._error or 'none'
        return DiagnosticStatus(
            level=level, name=name, message=message, hardware_id=topic,
            values=[KeyValue(key=key, value=value) for key, value in values.items()])

    def _judge(self, silence: str, wanted: bool) -> tuple[bytes, str]:
        if not wanted:
            return DiagnosticStatus.OK, 'nobody subscribes to results in space'
        if silence:
            return DiagnosticStatus.STALE, silence
        if self._fates and self._fates[-1][1] not in (FOUND, MISSING):
            return DiagnosticStatus.WARN, self._error
        counts, num = Counter(fate for _, fate in self._fates), len(self._fates)
        if 2 * counts[MISSING] > num:
            nearest = ('there is none' if self._nearest_s is None
                       else f'the nearest one is {self._nearest_s:.3f} s away')
            return (DiagnosticStatus.WARN, f'{MISSING}: {counts[MISSING]} of {num} in the last '
                    f'{WINDOW_S:.0f} s; {nearest} (see depth.slop and depth.wait)')
        return DiagnosticStatus.OK, f'{counts[FOUND]} of {num} images have {FOUND}'

    def _forget(self) -> None:
        oldest = self._clock() - WINDOW_S
        while self._fates and self._fates[0][0] <= oldest:
            self._fates.popleft()
