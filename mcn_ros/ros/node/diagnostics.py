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
REPEAT_S = 5.0  # the same complaint is not logged more often
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


@dataclass(frozen=True)
class Limits:
    """
    What a robot needs of a camera; 0 where anything will do.

    :param max_latency: seconds, which 95 of 100 results keep to.
    :param min_rate: frames per second.
    """

    max_latency: float = 0.0
    min_rate: float = 0.0


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
        # When, how many (None where that is unknown).
        self._received: deque[tuple[float, int | None]] = deque()
        # When, seconds from an image to the next one, where it is unknown how many came.
        self._intervals: deque[tuple[float, float]] = deque()
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

    def add_received(self, stamp_ns: int = 0, superseded: int | None = 0,
                     interval_s: float | None = None) -> None:
        """
        Count an image that is worked on now.

        :param stamp_ns: 0 for none.
        :param superseded: images before it that nobody has looked at; None if that is unknown.
        :param interval_s: seconds from an image to the next one, where it is.
        """
        with self._lock:
            self._note_waiting()
            known = superseded is not None
            self._received.append((self._last_image, 1 + superseded if known else None))
            if interval_s is not None:
                self._intervals.append((self._last_image, interval_s))
            self._totals['received'] += 1 + (superseded or 0)
            self._totals['superseded'] += superseded or 0
            self._totals['unnumbered'] += not known
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
               circumstances: Circumstances = Circumstances(),
               limits: Limits = Limits()) -> DiagnosticStatus:
        """
        Return the status of now; errors count as news once.

        :param name: of the status.
        :param details: further values, put last.
        :param circumstances: what is known beside the images.
        :param limits: what is asked for.
        """
        latencies = self.latencies_ms()
        with self._lock:
            self._forget()
            totals, error = self._totals, self._error
            level, message = self._judge(latencies, circumstances, limits)
            known = not totals['unnumbered']
            finished = sum(totals[key] for key in ('superseded', 'processed', UNDECODABLE, FAILED))
            self._errors_since_report, self._jump_s = 0, 0.0
            values = {
                'images per second': self._image_rate(),
                'frames per second': f'{self._per_second(len(self._processed)):.1f}',
                'latency p50 (ms)': _percentile(latencies, 50),
                'latency p95 (ms)': _percentile(latencies, 95),
                'images received': str(totals['received']) if known else 'unknown',
                'frames processed': str(totals['processed']),
                'dropped: superseded by a newer image':
                    str(totals['superseded']) if known else 'unknown',
                'dropped: image not decodable': str(totals[UNDECODABLE]),
                'dropped: inference failed': str(totals[FAILED]),
                'images at work': str(totals['received'] - finished),
                'stamps that went back': str(totals['stamps back']),
                'last error': error or 'none', **details}
        return DiagnosticStatus(
            level=level, name=name, message=message, hardware_id=hardware_id,
            values=[KeyValue(key=key, value=value) for key, value in values.items()])

    def _judge(self, latencies_ms: np.ndarray, now: Circumstances,
               limits: Limits) -> tuple[bytes, str]:
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
        rate = f'{self._per_second(len(self._processed)):.1f} frames/s'
        missed = self._missed(latencies_ms, limits)
        return (DiagnosticStatus.WARN, f'{rate}; {missed}') if missed else (
            DiagnosticStatus.OK, rate)

    def _missed(self, latencies_ms: np.ndarray, limits: Limits) -> str:
        """Return which limits are not kept, '' if all are."""
        texts, num = [], len(self._processed)
        if limits.max_latency and latencies_ms.size:
            latency_ms = np.percentile(latencies_ms, 95)
            if latency_ms > limits.max_latency * 1000:
                texts.append(f'the latency (p95) of {latency_ms:.0f} ms is more than '
                             f'diagnostics.max_latency = {limits.max_latency:g} s')
        # Before that, the rate is that of a beginning.
        if self._clock() - self._started >= WINDOW_S and self._per_second(num) < limits.min_rate:
            texts.append(f'that is less than diagnostics.min_rate = {limits.min_rate:g}, of '
                         f'{self._image_rate()} images/s')
        return ', and '.join(texts)

    def _image_rate(self) -> str:
        """Return how many images come per second: counted, else by the time between two."""
        numbers = [num for _, num in self._received]
        if None not in numbers:
            return f'{self._per_second(sum(numbers)):.1f}'
        intervals = [interval for _, interval in self._intervals]
        return f'{len(intervals) / sum(intervals):.1f}' if intervals else 'unknown'

    def _per_second(self, num: int) -> float:
        return num / min(WINDOW_S, max(self._clock() - self._started, 1.0))

    def _forget(self) -> None:
        oldest = self._clock() - WINDOW_S
        for events in (self._received, self._intervals, self._processed):
            while events and events[0][0] <= oldest:
                events.popleft()


def one_line(error: Exception) -> str:
    """Return what an error says, with its kind where that is news, however long it is."""
    text = ' '.join(str(error).split())
    text = text if isinstance(error, ValueError) else f'{type(error).__name__}: {text}'
    return text if len(text) <= MAX_LINE else text[:MAX_LINE] + ' ...'


def _percentile(values: Sequence[float], percent: float) -> str:
    return f'{np.percentile(values, percent):.1f}' if len(values) else 'unknown'
