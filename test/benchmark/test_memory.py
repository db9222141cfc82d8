# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The memory of a training step: what is counted, and that tasks do not add up."""

import pytest
import torch

from mcn_ros.benchmark import memory
from mcn_ros.benchmark.memory import LiveTensors, measure, peak_memory, table
from mcn_ros.tasks import TASKS

CPU = torch.device('cpu')
KIB = 256  # float32 numbers


@pytest.fixture(scope='module')
def rows():
    """Measure a tiny network with 1 to 3 tasks."""
    return [measure(number, 'shufflenet_v2_x0_5', (64, 64), 2, CPU) for number in (1, 2, 3)]


def test_only_what_lives_at_the_same_time_is_added():
    def step():
        first = torch.zeros(10 * KIB)
        second = first + 1
        del first
        second.mul_(2)[3:].view(-1)  # in place and views: nothing new
        del second
        return torch.zeros(15 * KIB)

    assert peak_memory(step, CPU) == 20 * 1024


def test_what_was_there_before_is_not_counted():
    weights, view = torch.zeros(10 * KIB), torch.zeros(10 * KIB)[1:]

    def step():
        weights.add_(1)
        view.add_(1)
        weights[:5].mul_(2)
        return weights * 2

    assert peak_memory(step, CPU) == 10 * 1024
    assert peak_memory(step, CPU) == 10 * 1024


def test_what_autograd_keeps_is_counted():
    weight = torch.ones(10 * KIB, requires_grad=True)
    with LiveTensors() as kept:
        result = weight.exp().exp().exp().sum()
    with LiveTensors() as discarded, torch.no_grad():
        result = weight.exp().exp().exp().sum()
    assert (kept.peak, discarded.peak) == (30 * 1024 + 4, 20 * 1024)
    del result


def test_joint_backward_needs_more_for_every_task(rows):
    peaks = [row['joint'] for row in rows]
    added = [after - before for before, after in zip(peaks, peaks[1:])]
    # Of a segmentation head of 80 classes: hidden layer, log-probabilities twice.
    maps = (64 + 81 + 81) * 16 * 16 * 2 * 4
    assert all(number == pytest.approx(maps, rel=0.05) for number in added)


@pytest.mark.parametrize('way', ['taskwise', 'taskwise_recomputed'])
def test_task_by_task_hardly_needs_more(rows, way):
    peaks = [row[way] for row in rows]
    assert all(after <= 1.05 * before for before, after in zip(peaks, peaks[1:]))
    # The second task has a gradient of the features beside that of the first; that is all.
    assert peaks[2] == pytest.approx(peaks[1], rel=0.001)


def test_stages_that_are_recomputed_take_less(rows):
    assert all(row['taskwise_recomputed'] < 0.6 * row['taskwise'] for row in rows)


def test_nor_do_tasks_of_other_kinds():
    three, eight = (measure(count, 'shufflenet_v2_x0_5', (64, 64), 2, CPU, each_kind=True)
                    for count in (3, 8))
    # The third, segmentation, has the largest map, but for its temporaries in the loss.
    assert eight['taskwise'] <= 1.05 * three['taskwise']
    assert eight['joint'] > 1.1 * three['joint']
    with pytest.raises(ValueError, match='^tasks: 9, but there are 8 kinds: detection, pose'):
        memory.tasks_of(9, each_kind=True)


def test_every_kind_that_is_trained_is_among_them():
    annotations = {TASKS[kind].annotation for kind in memory.KINDS}
    assert annotations == {kind.annotation for kind in TASKS.values()}
    assert set(memory.KINDS) == set(TASKS) - {
        'distance_detection', 'window_pose', 'foreground'}


def test_a_table_shows_peaks_and_growth(monkeypatch):
    monkeypatch.setattr(memory, 'WAYS', ('joint', 'taskwise'))
    mib = 2**20
    text = table([{'joint': 4 * mib, 'taskwise': mib}, {'joint': 5 * mib, 'taskwise': mib}])
    assert text.splitlines() == [
        '| tasks | joint | task by task |', '| ---: | ---: | ---: |', '| 1 | 4.0 MiB | 1.0 MiB |',
        '| 2 | 5.0 MiB (+25.0%) | 1.0 MiB (+0.0%) |']
    assert table([{'joint': mib, 'taskwise': mib}], ['pose']).splitlines()[2] == (
        '| 1: pose | 1.0 MiB | 1.0 MiB |')
