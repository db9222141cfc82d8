# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How losses count: weights, shares of processes, and which losses there are."""

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mcn_ros.data.batch import Batch
from mcn_ros.gpu.watch import GraphWatch
from mcn_ros.tasks import build_tasks
from mcn_ros.trainer.balance import Fixed
from mcn_ros.trainer.distributed import Ranks
from mcn_ros.trainer.objective import LossWeights, Objective, paper_weights

TASKS = build_tasks({'pose': {}, 'segmentation': {'classes': ['person']}})
PAPER = paper_weights(TASKS)
CROSS_ENTROPY = 'segmentation/cross_entropy'


class ObservedBalance(Fixed):
    """Keeps what it observes."""

    def observe(self, losses):
        self.observed = dict(losses)


class TwoRanks(Ranks):
    """This process as the first of two; ``other`` is what the second one sends."""

    def __init__(self, other):
        super().__init__('cpu')
        self.world, self.other = 2, other

    def sum_scalars(self, values, names):
        return {name: torch.as_tensor(values.get(name, 0) + self.other.get(name, 0)).double()
                for name in names}

    def sum_counts(self, *counts):
        names = ['trunk', *TASKS]
        return [count + self.other.get(name, 0) for name, count in zip(names, counts, strict=True)]


class FakeRanks(TwoRanks):
    """On a GPU that has no numbers: to ask for one is an error."""

    def sum_scalars(self, values, names):
        return {name: torch.empty((), dtype=torch.float64, device='cuda') for name in names}


def batch_of(**rows):
    """Return a batch of four images that has labels for segmentation alone."""
    labels = torch.zeros(len(rows.get('segmentation', ())), 4, 4, dtype=torch.uint8)
    return Batch(torch.zeros(4, 3, 16, 16, dtype=torch.uint8),
                 {'segmentation': {'labels': labels}} if len(labels) else {},
                 {task: torch.tensor(row) for task, row in rows.items()}, tuple('abcd'))


def objective(ranks=None, auxiliary=None):
    return Objective(TASKS, ObservedBalance(PAPER), auxiliary or {}, ranks or Ranks('cpu'))


def test_alone_a_process_has_all_of_every_loss():
    weights = objective().weigh(batch_of(segmentation=[1, 3]))
    assert weights.labelled == {'trunk': 2, 'pose': 0, 'segmentation': 2}
    assert weights.local() == weights.total == PAPER


def test_losses_count_per_image_where_they_shall():
    weights = LossWeights({CROSS_ENTROPY: 3.0, 'pose/size': 0.5},
                          {CROSS_ENTROPY: 0.5, 'pose/size': 1.0},
                          {'trunk': 4, 'segmentation': 4, 'pose': 2})
    assert weights.local() == {CROSS_ENTROPY: 1.5, 'pose/size': 0.5}
    assert weights.local(per_image=True) == {CROSS_ENTROPY: 6.0, 'pose/size': 1.0}


def test_a_process_counts_by_its_share_of_the_labels():
    # Of 2 x 16 labelled cells here; three times as many there.
    other = {'trunk': 6, 'segmentation': 6, CROSS_ENTROPY: 96.0}
    ranks = TwoRanks(other)
    weights = objective(ranks, {'keep/trunk': 2.0}).weigh(batch_of(segmentation=[0, 1]))
    assert weights.labelled == {'trunk': 8, 'pose': 0, 'segmentation': 8}
    assert weights.share[CROSS_ENTROPY] == 0.25 and weights.share['keep/trunk'] == 0.5
    assert weights.share['pose/size'] == 0
    nothing = objective(ranks).weigh(batch_of())
    assert nothing.share[CROSS_ENTROPY] == 0 and nothing.labelled['segmentation'] == 6


def test_what_several_processes_have_is_added_up_without_waiting_for_a_device():
    batch = batch_of(segmentation=[0, 1])
    whole = objective(FakeRanks({}))
    with FakeTensorMode():
        labels = torch.empty((2, 4, 4), dtype=torch.uint8, device='cuda')
        there = replace(batch, targets={'segmentation': {'labels': labels}})
        with GraphWatch():
            weights = whole.weigh(there, whole.count(batch))
            whole.reduce({CROSS_ENTROPY: torch.empty((), device='cuda')}, weights)
    assert weights.labelled == {'trunk': 2, 'pose': 0, 'segmentation': 2}


def test_the_joint_losses_are_those_that_somebody_has_labels_for():
    ranks = TwoRanks({'trunk': 6, 'segmentation': 6, CROSS_ENTROPY: 96.0})
    whole = objective(ranks, {'keep/trunk': 2.0, 'pose/teacher': 1.0})
    weights = whole.weigh(batch_of(segmentation=[0, 1]))
    ranks.other = {CROSS_ENTROPY: 0.75 * 2.0, 'keep/trunk': 0.5 * 3.0}
    losses = whole.reduce({CROSS_ENTROPY: torch.tensor(4.0), 'keep/trunk': torch.tensor(1.0),
                           'pose/teacher': torch.tensor(6.0)}, weights)
    # What a teacher says needs no labels.
    assert losses == {CROSS_ENTROPY: 2.5, 'keep/trunk': 2.0, 'pose/teacher': 3.0,
                      'total': PAPER[CROSS_ENTROPY] * 2.5 + 2.0 * 2.0 + 1.0 * 3.0}
    assert whole.balance.observed == {CROSS_ENTROPY: 2.5}


def test_a_batch_without_labels_has_no_loss():
    whole = objective()
    assert whole.reduce({}, whole.weigh(batch_of())) == {}


@pytest.mark.parametrize('task', TASKS)
def test_the_names_of_losses_begin_with_the_task(task):
    assert {f'{task}/{loss}' for loss in TASKS[task].losses} <= PAPER.keys()
