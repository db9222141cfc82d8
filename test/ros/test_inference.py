# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The thread that runs the network: the newest frame wins, cameras share a batch."""

import threading

import pytest

from mcn_ros.ros.inference import InferenceThread


class Gate:
    """A process function that waits until it is let through."""

    def __init__(self):
        self.batches = []
        self.entered = threading.Semaphore(0)
        self.permits = threading.Semaphore(0)

    def __call__(self, frames):
        self.entered.release()
        assert self.permits.acquire(timeout=10)
        self.batches.append(frames)

    def wait(self):
        assert self.entered.acquire(timeout=10)


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def thread(gate):
    thread = InferenceThread(gate)
    yield thread
    gate.permits.release(100)
    thread.stop()


def test_the_newest_frame_wins(gate, thread):
    assert not thread.put('a', 0)
    gate.wait()  # frame 0 is in work
    assert [thread.put('a', index) for index in range(1, 5)] == [False, True, True, True]
    gate.permits.release(2)
    gate.wait()
    thread.stop()
    assert gate.batches == [{'a': 0}, {'a': 4}]


def test_cameras_that_wait_share_a_batch(gate, thread):
    thread.put('a', 0)
    gate.wait()
    for camera, frame in (('a', 1), ('b', 2), ('a', 3), ('c', 4)):
        thread.put(camera, frame)
    gate.permits.release(2)
    gate.wait()
    thread.stop()
    assert gate.batches == [{'a': 0}, {'a': 3, 'b': 2, 'c': 4}]


def test_a_busy_camera_does_not_starve_another(gate, thread):
    thread.put('busy', 0)
    gate.wait()
    thread.put('quiet', 'x')
    for index in range(20):
        thread.put('busy', index)
    gate.permits.release()
    gate.wait()
    thread.put('busy', 20)
    gate.permits.release(2)
    gate.wait()
    thread.stop()
    assert gate.batches[1]['quiet'] == 'x' and 'quiet' not in gate.batches[2]


def test_stop_finishes_the_batch_in_work_and_drops_the_rest(gate, thread):
    thread.put('a', 0)
    gate.wait()
    thread.put('a', 1)
    stopping = threading.Thread(target=thread.stop)
    stopping.start()
    gate.permits.release(2)
    stopping.join(timeout=10)
    assert not stopping.is_alive() and gate.batches == [{'a': 0}]
    assert 'inference' not in [t.name for t in threading.enumerate()]
