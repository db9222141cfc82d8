# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The thread that runs the network: cameras take turns, and none starves."""

import itertools
import math
import threading

from hypothesis import given, strategies
import pytest

from mcn_ros.ros.node.inference import InferenceThread, run_batch, useful_batch


class Gate:
    """An intake that holds the newest frame of each camera, and work that waits for a permit."""

    def __init__(self):
        self.waiting = {}
        self.changed = threading.Condition()
        self.woken = False
        self.taken = []
        self.batches = []
        self.entered = threading.Semaphore(0)
        self.permits = threading.Semaphore(0)

    def put(self, camera, frame):
        with self.changed:
            self.waiting[camera] = frame
            self.changed.notify()

    def wait(self):
        with self.changed:
            self.changed.wait_for(lambda: self.waiting or self.woken)
            self.woken = False
            return list(self.waiting)

    def wake(self):
        with self.changed:
            self.woken = True
            self.changed.notify()

    def work(self, cameras):
        with self.changed:
            frames = {camera: self.waiting.pop(camera) for camera in cameras}
        self.taken.append(frames)
        self.entered.release()
        assert self.permits.acquire(timeout=10)
        self.batches.append(frames)

    def wait_for_work(self):
        assert self.entered.acquire(timeout=10)


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def thread(gate):
    thread = InferenceThread(gate, gate.work)
    yield thread
    gate.permits.release(100)
    thread.stop()


def test_cameras_that_wait_share_a_batch(gate, thread):
    gate.put('a', 0)
    gate.wait_for_work()
    for camera, frame in (('a', 1), ('b', 2), ('a', 3), ('c', 4)):
        gate.put(camera, frame)
    gate.permits.release(2)
    gate.wait_for_work()
    thread.stop()
    assert gate.batches == [{'a': 0}, {'a': 3, 'b': 2, 'c': 4}]


def test_a_busy_camera_does_not_starve_another(gate, thread):
    gate.put('busy', 0)
    gate.wait_for_work()
    gate.put('quiet', 'x')
    for index in range(20):
        gate.put('busy', index)
    gate.permits.release()
    gate.wait_for_work()
    gate.put('busy', 20)
    gate.permits.release(2)
    gate.wait_for_work()
    thread.stop()
    assert gate.batches[1]['quiet'] == 'x' and 'quiet' not in gate.batches[2]


def test_the_thread_ends_when_nothing_will_come_any_more(gate):
    gate.wait = lambda: None
    thread = InferenceThread(gate, gate.work)
    thread._thread.join(timeout=10)
    assert not thread._thread.is_alive() and thread.stop()


def test_to_be_woken_is_no_work(gate, thread):
    for _ in range(3):
        gate.wake()
    gate.put('a', 0)
    gate.wait_for_work()
    assert gate.taken == [{'a': 0}]


def test_stop_finishes_the_batch_in_work_and_leaves_the_rest(gate, thread):
    gate.put('a', 0)
    gate.wait_for_work()
    gate.put('a', 1)
    stopping = threading.Thread(target=thread.stop)
    stopping.start()
    gate.permits.release(2)
    stopping.join(timeout=10)
    assert not stopping.is_alive() and gate.batches == [{'a': 0}]
    assert 'inference' not in [t.name for t in threading.enumerate()]


def test_a_batch_has_a_limit_and_cameras_take_turns(gate):
    thread = InferenceThread(gate, gate.work, largest_batch=2)
    gate.put('a', 0)
    gate.wait_for_work()
    for round_ in range(3):
        for camera in 'abc':
            gate.put(camera, round_)
        gate.permits.release()
        gate.wait_for_work()
    gate.permits.release(10)
    thread.stop()
    assert gate.taken[:4] == [{'a': 0}, {'b': 0, 'c': 0}, {'a': 1, 'b': 1}, {'c': 2, 'a': 2}]


@given(rounds=strategies.lists(strategies.lists(strategies.integers(0, 4), min_size=1),
                               max_size=30),
       largest=strategies.one_of(strategies.none(), strategies.integers(1, 3)))
def test_no_camera_starves_and_no_frame_is_old(rounds, largest):
    """Whatever comes while a batch is in work: it takes no longer than all cameras together."""
    gate = Gate()
    thread = InferenceThread(gate, gate.work, largest)
    gate.put(0, 0)
    gate.wait_for_work()
    newest, ages, number = {}, {}, 0  # what each camera left last; batches that it has waited for
    for cameras in rounds:
        for camera in cameras:
            number += 1
            gate.put(camera, number)
            newest[camera] = number
            ages.setdefault(camera, 0)
        gate.permits.release()
        gate.wait_for_work()
        taken = gate.taken[-1]
        assert taken == {camera: newest[camera] for camera in taken}
        assert len(taken) == min(len(ages), largest or 5)
        ages = {camera: age + 1 for camera, age in ages.items()}
        assert max(ages.values()) <= math.ceil(5 / (largest or 5))
        ages = {camera: age for camera, age in ages.items() if camera not in taken}
    gate.permits.release(2)
    thread.stop()


def test_a_slow_camera_is_not_behind_a_fast_one(gate):
    thread = InferenceThread(gate, gate.work, largest_batch=1)
    for index in range(3):
        gate.put('fast', index)
        if index:
            gate.permits.release()
        gate.wait_for_work()
    gate.put('fast', 3)
    gate.put('slow', 0)
    gate.permits.release(3)
    gate.wait_for_work()
    gate.permits.release(10)
    thread.stop()
    assert gate.taken[3] == {'slow': 0}


def seconds_of(one, each_more, most=100):
    return lambda size: one + each_more * (size - 1) if size <= most else math.inf


@pytest.mark.parametrize('seconds, expected', [
    # A processor that one frame keeps busy: even a little less per frame is not worth the wait.
    (seconds_of(1.0, 1.0), 1), (seconds_of(1.0, 0.75), 1),
    (seconds_of(1.0, 0.1), 4), (seconds_of(1.0, 0.0), 4),
    (seconds_of(1.0, 0.1, most=3), 2), (seconds_of(1.0, 0.1, most=1), 1)])
def test_frames_are_batched_where_that_pays(seconds, expected):
    assert useful_batch(seconds, 4) == expected


def test_the_best_batch_is_that_of_the_earliest_results():
    """Compare with results that are counted one by one, for any cost of a batch."""
    for each_more in (0.05, 0.2, 0.35, 0.5, 0.65, 0.8):
        seconds = seconds_of(1.0, each_more)

        def mean(size, seconds=seconds):
            done, clock = [], 0.0
            while len(done) < 6:
                clock += seconds(size)
                done += [clock] * min(size, 6 - len(done))
            return sum(done) / 6

        assert mean(useful_batch(seconds, 6)) == pytest.approx(min(map(mean, range(1, 7))))


def test_every_size_that_may_come_is_prepared():
    calls = []
    assert useful_batch(lambda size: calls.append(size) or 1.0, 6) == 6
    assert set(calls) == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize('busy', range(5))
@pytest.mark.parametrize('start', range(9))
def test_other_work_for_a_while_does_not_decide(start, busy):
    """Two frames take twice as long as one, and the processor is busy for some calls."""
    calls = itertools.count()
    slow = range(start, start + busy)
    assert useful_batch(lambda size: size * (2 if next(calls) in slow else 1), 2) == 1


def test_one_camera_needs_no_measurement():
    calls = []
    assert useful_batch(lambda size: calls.append(size) or 1.0, 1) == 1 and calls == [1]


def run(frames):
    """Fail on more than two frames, and on whatever is negative."""
    if len(frames) > 2:
        raise MemoryError('too much')
    if min(frames) < 0:
        raise ValueError('negative')
    return [2 * frame for frame in frames]


def test_a_batch_that_works_is_run_once():
    calls = []
    batch = run_batch(lambda frames: calls.append(len(frames)) or run(frames), {'a': 1, 'b': 2})
    assert batch.results == {'a': 2, 'b': 4} and not batch.failures and calls == [2]
    assert batch.too_large is None


def test_a_bad_frame_takes_only_its_own_result():
    batch = run_batch(run, {'a': 1, 'b': -2, 'c': 3})
    assert batch.results == {'a': 2, 'c': 6} and list(batch.failures) == ['b']
    assert isinstance(batch.failures['b'], ValueError) and batch.too_large is None


def test_a_batch_that_is_too_large_loses_nothing():
    batch = run_batch(run, {'a': 1, 'b': 2, 'c': 3})
    assert batch.results == {'a': 2, 'b': 4, 'c': 6} and not batch.failures
    assert isinstance(batch.too_large, MemoryError)
