# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the node tells about each camera on /diagnostics: counts, rates, latency, errors."""

from collections import Counter, deque
from threading import Lock
import time
from typing import Callable, Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import numpy as np

WINDOW_S = 5.0  # rates and latencies are those of this time
SILENCE_S = 3.0  # a camera is stale after this time without images
# A latency outside of these limits says that stamps and clock are not of the same time.
PLAUSIBLE_S = (-0.5, 10.0)

# Why frames give no result.
SUPERSEDED = 'superseded'  # a newer frame came before the network was free
UNDECODABLE = 'undecodable'  # the image message is damaged or its encoding is not supported
FAILED = 'failed'  # the network or publishing raised an error


class Statistics:
    """
    Counts of one camera; the executor and the inference thread both write to it.

    :param clock: seconds that never jump, whatever happens to ROS time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = Lock()
        self._started = clock()
        self._last_image = self._started
        self._received: deque[float] = deque()
        # When each frame was finished, and its latency in seconds (None without a stamp).
        self._processed: deque[tuple[float, float | None]] = deque()
        self._totals: Counter[str] = Counter()
        self._error = ''
        self._errors_since_report = 0
        self._last_failed = False

    def add_received(self) -> None:
        """Count an image message."""
        with self._lock:
            self._last_image = self._clock()
            self._received.append(self._last_image)
            self._totals['received'] += 1
            self._forget()

    def add_processed(self, latency_s: float | None) -> None:
        """Count a frame whose results are published; the latency is from stamp to publishing."""
        with self._lock:
            self._processed.append((self._clock(), latency_s))
            self._totals['processed'] += 1
            self._last_failed = False
            self._forget()

    def add_dropped(self, cause: str, error: str = '') -> None:
        """Count a frame without results; ``error`` is empty where that is not an error."""
        with self._lock:
            self._totals[cause] += 1
            if error:
                self._error, self._last_failed = error, True
                self._errors_since_report += 1

    def forget_latencies(self) -> None:
        """Start anew after a jump of ROS time (a bag that is played in a loop)."""
        with self._lock:
            self._processed = deque((time_s, None) for time_s, _ in self._processed)

    @property
    def silence_s(self) -> float:
        """Return the seconds since the last image, or since the start when there was none."""
        return self._clock() - self._last_image

    @property
    def rate(self) -> float:
        """Return the frames per second that are processed."""
        with self._lock:
            self._forget()
            return self._per_second(len(self._processed))

    def latencies_ms(self) -> np.ndarray:
        """Return the latencies of the last seconds."""
        with self._lock:
            self._forget()
            return np.array([1000 * value for _, value in self._processed if value is not None])

    def report(self, name: str, hardware_id: str, details: Mapping[str, str]) -> DiagnosticStatus:
        """
        Return the status of now; errors count as news once.

        :param name: of the status.
        :param details: further values, put last.
        """
        latencies = self.latencies_ms()
        with self._lock:
            self._forget()
            totals, error = self._totals, self._error
            level, message = self._judge(latencies)
            self._errors_since_report = 0
            values = {
                'images per second': f'{self._per_second(len(self._received)):.1f}',
                'frames per second': f'{self._per_second(len(self._processed)):.1f}',
                'latency p50 (ms)': _percentile(latencies, 50),
                'latency p95 (ms)': _percentile(latencies, 95),
                'images received': str(totals['received']),
                'frames processed': str(totals['processed']),
                'dropped: superseded by a newer image': str(totals[SUPERSEDED]),
                'dropped: image not decodable': str(totals[UNDECODABLE]),
                'dropped: inference failed': str(totals[FAILED]),
                'last error': error or 'none', **details}
        return DiagnosticStatus(
            level=level, name=name, message=message, hardware_id=hardware_id,
            values=[KeyValue(key=key, value=value) for key, value in values.items()])

    def _judge(self, latencies_ms: np.ndarray) -> tuple[bytes, str]:
        if self._clock() - self._last_image > SILENCE_S:
            seconds = self._clock() - self._last_image
            return DiagnosticStatus.STALE, f'no image for {seconds:.0f} s'
        if self._last_failed:
            return DiagnosticStatus.ERROR, self._error
        if self._errors_since_report:
            return DiagnosticStatus.WARN, f'{self._errors_since_report} images failed'
        low, high = PLAUSIBLE_S
        if latencies_ms.size and not low <= np.median(latencies_ms) / 1000 <= high:
            return (DiagnosticStatus.WARN, 'the stamps of the images are not of the time of this '
                    "node's clock: is use_sim_time as it should be?")
        return DiagnosticStatus.OK, f'{self._per_second(len(self._processed)):.1f} frames/s'

    def _per_second(self, num: int) -> float:
        return num / min(WINDOW_S, max(self._clock() - self._started, 1.0))

    def _forget(self) -> None:
        oldest = self._clock() - WINDOW_S
        while self._received and self._received[0] <= oldest:
            self._received.popleft()
        while self._processed and self._processed[0][0] <= oldest:
            self._processed.popleft()


def _percentile(values: Sequence[float], percent: float) -> str:
    return f'{np.percentile(values, percent):.1f}' if len(values) else 'unknown'
