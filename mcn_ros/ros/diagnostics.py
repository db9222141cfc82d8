# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the node tells about each camera on /diagnostics: counts, rates, latency, errors."""

from collections import Counter, deque
from dataclasses import dataclass
from threading import Lock
import time
from typing import Callable, Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import numpy as np

WINDOW_S = 5.0  # rates and latencies are those of this time
SILENCE_S = 3.0  # a camera is stale after this time without images
MAX_LINE = 500  # characters of an error that is told
STUCK_S = 5.0  # for which the network may be at work while images wait
# A latency outside of these limits says that stamps and clock are not of the same time.
PLAUSIBLE_S = (-0.5, 10.0)

# Why frames that were worked on give no result.
UNDECODABLE = 'undecodable'  # the message is damaged, too large or of an unknown encoding
FAILED = 'failed'  # the network or publishing raised an error


@dataclass(frozen=True)
class Circumstances:
    """
    What may be wrong around a camera, each in words that say what to do; '' where nothing is.

    :param broken: why no image of any camera can be worked on.
    :param silent: why no images may come, if none do.
    :param impaired: what is not as it should be while results come.
    """

    broken: str = ''
    silent: str = ''
    impaired: str = ''


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
        self._received: deque[tuple[float, int]] = deque()  # when, how many
        # When each frame was finished, and its latency in seconds (None without a stamp).
        self._processed: deque[tuple[float, float | None]] = deque()
        self._totals: Counter[str] = Counter()
        self._error = ''
        self._errors_since_report = 0
        self._last_failed = False
        # Since when an image is there of which nothing is known yet.
        self._waiting_since: float | None = None
        self._last_stamp_ns = 0
        self._jump_s = 0.0  # the last one since the last report

    def add_received(self, stamp_ns: int = 0, superseded: int = 0) -> None:
        """
        Count an image that is worked on now.

        :param stamp_ns: 0 for none.
        :param superseded: images before it that nobody has looked at.
        """
        with self._lock:
            self._note_waiting()
            self._received.append((self._last_image, 1 + superseded))
            self._totals['received'] += 1 + superseded
            self._totals['superseded'] += superseded
            if stamp_ns:
                if stamp_ns < self._last_stamp_ns:
                    self._totals['stamps back'] += 1
                    self._jump_s = (self._last_stamp_ns - stamp_ns) / 1e9
                self._last_stamp_ns = stamp_ns
            self._forget()

    def add_waiting(self) -> None:
        """Note that there is an image, which is not worked on yet."""
        with self._lock:
            self._note_waiting()

    def _note_waiting(self) -> None:
        self._last_image = self._clock()
        if self._waiting_since is None:
            self._waiting_since = self._last_image

    def add_processed(self, latency_s: float | None) -> None:
        """Count a frame whose results are published; the latency is from stamp to publishing."""
        with self._lock:
            self._processed.append((self._clock(), latency_s))
            self._totals['processed'] += 1
            self._last_failed, self._waiting_since = False, None
            self._forget()

    def add_dropped(self, cause: str, error: str) -> None:
        """Count a frame without results."""
        with self._lock:
            self._totals[cause] += 1
            self._error, self._last_failed, self._waiting_since = error, True, None
            self._errors_since_report += 1

    def forget_latencies(self) -> None:
        """Start anew after a jump of ROS time (a bag that is played in a loop)."""
        with self._lock:
            self._processed = deque((time_s, None) for time_s, _ in self._processed)
            self._last_stamp_ns = 0

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

    def report(self, name: str, hardware_id: str, details: Mapping[str, str],
               circumstances: Circumstances = Circumstances()) -> DiagnosticStatus:
        """
        Return the status of now; errors count as news once.

        :param name: of the status.
        :param details: further values, put last.
        :param circumstances: what is known beside the images.
        """
        latencies = self.latencies_ms()
        with self._lock:
            self._forget()
            totals, error = self._totals, self._error
            received = sum(num for _, num in self._received)
            level, message = self._judge(latencies, circumstances)
            self._errors_since_report, self._jump_s = 0, 0.0
            values = {
                'images per second': f'{self._per_second(received):.1f}',
                'frames per second': f'{self._per_second(len(self._processed)):.1f}',
                'latency p50 (ms)': _percentile(latencies, 50),
                'latency p95 (ms)': _percentile(latencies, 95),
                'images received': str(totals['received']),
                'frames processed': str(totals['processed']),
                'dropped: superseded by a newer image': str(totals['superseded']),
                'dropped: image not decodable': str(totals[UNDECODABLE]),
                'dropped: inference failed': str(totals[FAILED]),
                'stamps that went back': str(totals['stamps back']),
                'last error': error or 'none', **details}
        return DiagnosticStatus(
            level=level, name=name, message=message, hardware_id=hardware_id,
            values=[KeyValue(key=key, value=value) for key, value in values.items()])

    def _judge(self, latencies_ms: np.ndarray, now: Circumstances) -> tuple[bytes, str]:
        """Return the worst that is true: what keeps results from coming goes first."""
        silence = self._clock() - self._last_image
        waited = 0.0 if self._waiting_since is None else self._clock() - self._waiting_since
        if now.broken:
            return DiagnosticStatus.ERROR, now.broken
        if silence > SILENCE_S:
            return DiagnosticStatus.STALE, now.silent or f'no image for {silence:.0f} s'
        if waited > STUCK_S:
            return (DiagnosticStatus.ERROR, f'no result for {waited:.0f} s, although images come: '
                    'the network is too slow for this device, or hangs')
        if self._last_failed:
            return DiagnosticStatus.ERROR, self._error
        if now.impaired:
            return DiagnosticStatus.WARN, now.impaired
        if self._errors_since_report:
            return (DiagnosticStatus.WARN,
                    f'{self._errors_since_report} images failed, the last one: {self._error}')
        if self._jump_s:
            return (DiagnosticStatus.WARN, f'the stamps went back by {self._jump_s:.3g} s: a bag '
                    'that is played in a loop, a camera that was restarted, or several cameras '
                    'on one topic')
        low, high = PLAUSIBLE_S
        if latencies_ms.size and not low <= np.median(latencies_ms) / 1000 <= high:
            return (DiagnosticStatus.WARN, 'the stamps of the images are not of the time of this '
                    "node's clock: is use_sim_time as it should be?")
        return DiagnosticStatus.OK, f'{self._per_second(len(self._processed)):.1f} frames/s'

    def _per_second(self, num: int) -> float:
        return num / min(WINDOW_S, max(self._clock() - self._started, 1.0))

    def _forget(self) -> None:
        oldest = self._clock() - WINDOW_S
        while self._received and self._received[0][0] <= oldest:
            self._received.popleft()
        while self._processed and self._processed[0][0] <= oldest:
            self._processed.popleft()


def one_line(error: Exception) -> str:
    """Return what an error says, with its kind where that is news, however long it is."""
    text = ' '.join(str(error).split())
    text = text if isinstance(error, ValueError) else f'{type(error).__name__}: {text}'
    return text if len(text) <= MAX_LINE else text[:MAX_LINE] + ' ...'


def _percentile(values: Sequence[float], percent: float) -> str:
    return f'{np.percentile(values, percent):.1f}' if len(values) else 'unknown'
