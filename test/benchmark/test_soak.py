# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a long load tells: sums of made recordings, and what is called wrong."""

import re

import numpy as np
import pytest

from mcn_ros.benchmark import soak

SECONDS, PER_SECOND, CAMERAS = 10.0, 8, ('left', 'right')


def record(index, rss=1000.0, shared=40.0, threads=20, slow=1.0,
           answered=lambda camera, number: True, failed=0):
    """Return what is recorded in a slice of the time; that before the first is the warm-up."""
    start = 100.0 + SECONDS * index
    answers = [{'camera': camera, 'stamp_ns': int(1e9 * (start + number / PER_SECOND)),
                'published_ms': slow * (50 + number % 10), 'pid': 7}
               for number in range(int(SECONDS * PER_SECOND)) for camera in CAMERAS
               if answered(camera, number)]
    counts = {told: str(100 * (index + 2)) for told in soak.COUNTS.values()}
    counts |= {soak.COUNTS['undecodable']: '3', soak.COUNTS['failed']: str(5 + failed)}
    return {'phase': {'name': f'{index}', 'size': [480, 640], 'seconds': SECONDS, 'rate': 60.0},
            'sent': dict.fromkeys(CAMERAS, 600), 'answers': answers,
            'memory': {'7': {'Rss': rss * soak.MIB, 'Pss': 1.0, 'RssShmem': shared * soak.MIB}},
            'threads': {'7': threads},
            'statuses': dict.fromkeys(CAMERAS, counts), 'ended_s': start + SECONDS}


def records(change=lambda index: {}, number=20):
    return [record(-1), *(record(index, **change(index)) for index in range(number))]


def test_the_sums_are_those_of_the_slices_without_the_warm_up():
    found = soak.summarise(records())
    assert (found['seconds'], found['rate'], found['size']) == (200.0, 60.0, [480, 640])
    for camera in found['cameras'].values():
        assert (camera['sent'], camera['answered']) == (12000, 1600)
        assert (camera['received'], camera['superseded'], camera['failed']) == (2000, 2000, 0)
        assert 1 / PER_SECOND <= camera['wait_s'] < 3 / PER_SECOND
    assert found['fairness'] == 1.0 and found['published']['frames'] == 3200
    assert 50 <= found['published']['p50'] <= found['published']['p99'] <= 59
    assert found['rss']['start'] == found['rss']['end'] == 1000 * soak.MIB
    assert (found['own']['highest'], found['shared']['highest']) == (960 * soak.MIB, 40 * soak.MIB)
    assert soak.problems(found) == []


@pytest.mark.parametrize('change, problem', [
    (lambda index: {'rss': 1000 + index}, 'memory of the node grew by 1.87 %'),
    (lambda index: {'rss': 1000 + 2 * index, 'shared': 40 + 2 * index},
     'shared memory of the node grew'),
    (lambda index: {'threads': 20 + index // 10}, 'threads of the node grew from 20 to 21'),
    (lambda index: {'slow': 1 + index / 20}, r'latency \(p95\) of the end is 1.8'),
    (lambda index: {'failed': index}, 'left: 19 images failed'),
    (lambda index: {'answered': lambda camera, number: camera == 'left' or number % 4},
     'least has 0.86 of the mean'),
    (lambda index: {'answered': lambda camera, number: camera == 'left' or number > 50},
     r'right: no result for 6\.\d s'),
    (lambda index: {'answered': lambda camera, number: camera == 'left' or index < 19},
     r'right: no result for 10\.\d s'),
    (lambda index: {'answered': lambda camera, number: 5 <= index < 15},
     r'left: no result for 50\.\d s')])
def test_what_must_not_be_is_told(change, problem):
    lines = soak.problems(soak.summarise(records(change)))
    assert any(re.search(problem, line) for line in lines), lines


def test_noise_of_a_slice_is_no_growth():
    rng = np.random.default_rng(0)
    spikes = {3: 1500, 9: 1200, 18: 1300}
    found = soak.summarise(records(
        lambda index: {'rss': spikes.get(index, 1000 + rng.uniform(-2, 2))}, number=60))
    assert soak.problems(found) == [] and found['rss']['highest'] == 1500 * soak.MIB


def test_pages_of_shared_memory_are_told_and_are_no_growth():
    found = soak.summarise(records(
        lambda index: {'rss': 1000 + index, 'shared': 40 + index}))
    assert soak.problems(found) == []
    assert '960.0 MiB after the warm-up, at the end 960.0 MiB (+0.00 %)' in soak.summary(found)
    assert '1000.5 MiB after the warm-up, at the end 1018.5 MiB (+1.80 %)' in soak.summary(found)


def test_too_few_answers_are_an_error():
    with pytest.raises(ValueError, match='too few frames were answered'):
        soak.summarise(records(lambda index: {'answered': lambda *_: index == 0}))


def test_the_figures_fit_into_tables():
    found = soak.summarise(records(number=60))
    assert len(soak.camera_table(found).splitlines()) == 2 + len(CAMERAS)
    lines = soak.time_table(found, most=12).splitlines()
    assert 14 <= len(lines) <= 16 and '| 59 |' in lines[-1]
    assert '2 cameras of 640x480 at 60 Hz for 600 s: 120 images/s sent, 16.0 frames/s answered' \
        in soak.summary(found)
