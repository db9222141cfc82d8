# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The total loss that a training lowers: a weighted sum over the joint batch of all processes.

Each process computes the mean losses of its own images. A loss of the joint batch is the mean
over what is labelled in all of them, so each process's value counts by its share of the labels.
"""

from dataclasses import dataclass
from typing import Mapping

from torch import Tensor

from mcn_ros.data.batch import Batch
from mcn_ros.network.trunks import TRUNK
from mcn_ros.tasks import Task
from mcn_ros.trainer.balance import Balance, task_of
from mcn_ros.trainer.distributed import Ranks


def paper_weights(tasks: Mapping[str, Task]) -> dict[str, float]:
    """Return 'task/loss' -> the paper's weight, of all losses, always in the same order."""
    return {f'{name}/{loss}': weight for name, task in tasks.items()
            for loss, weight in task.losses.items()}


@dataclass(frozen=True)
class LossWeights:
    """
    How the losses of one batch count.

    :param total: loss name -> weight in the total loss.
    :param share: loss name -> weight of this process's value in that of the joint batch.
    :param labelled: task -> number of images of the joint batch that are labelled for it,
        'trunk' -> for any task.
    """

    total: dict[str, float | Tensor]
    share: dict[str, float | Tensor]
    labelled: dict[str, int]

    def local(self, per_image: bool = False) -> dict[str, float | Tensor]:
        """
        Return loss name -> weight in this process, whose gradients are summed over processes.

        :param per_image: for the sum over labelled images in place of their mean.
        """
        weights = {name: weight * self.share[name] for name, weight in self.total.items()}
        if per_image:
            weights = {name: weight * self.labelled[task_of(name)]
                       for name, weight in weights.items()}
        return weights


class Objective:
    """
    The losses of a training and their weights.

    :param tasks: task name -> task.
    :param balance: weighs the losses of the tasks against each other.
    :param auxiliary: loss name -> weight of the losses that need no labels ('task/teacher',
        'keep/part').
    :param ranks: the processes of the training, each of which has an object like this one.
    """

    def __init__(self, tasks: Mapping[str, Task], balance: Balance, auxiliary: Mapping[str, float],
                 ranks: Ranks):
        self.balance = balance
        self._tasks, self._auxiliary, self._ranks = tasks, dict(auxiliary), ranks
        self._names = tuple(paper_weights(tasks))

    def count(self, batch: Batch) -> dict[str, int]:
        """
        Count the labelled images of this process.

        :param batch: on the host: to look at rows on a GPU would wait for it.
        :return: task -> number of images, 'trunk' -> those that are labelled for any task.
        """
        images = {image for rows in batch.rows.values() for image in rows.tolist()}
        return {TRUNK: len(images),
                **{task: len(batch.rows.get(task, ())) for task in self._tasks}}

    def weigh(self, batch: Batch, labelled: Mapping[str, int] | None = None) -> LossWeights:
        """
        Return the weights of the losses of a batch, of which this process has its part.

        :param labelled: what :meth:`count` says of the batch; None: it is on the host.
        """
        labelled = dict(labelled or self.count(batch))
        share: dict[str, float | Tensor] = dict.fromkeys(self._names, 1.0)
        if self._ranks.world > 1:
            counts = {f'{task}/{loss}': count for task, targets in batch.targets.items()
                      for loss, count in self._tasks[task].counts(targets).items()}
            # Numbers of the host stay on it: to read them off a GPU would wait for it.
            labelled = dict(zip(labelled, self._ranks.sum_counts(*labelled.values())))
            sums = self._ranks.sum_scalars(counts, self._names)
            # A loss is the sum over things divided by their number, or by 1 if there is none.
            share = {name: (counts[name].clamp(min=1) / sums[name].clamp(min=1)).float()
                     if name in counts else 0.0 for name in self._names}
        share |= dict.fromkeys(self._auxiliary, 1 / self._ranks.world)
        return LossWeights({**self.balance.weights(), **self._auxiliary}, share, labelled)

    def reduce(self, losses: Mapping[str, Tensor], weights: LossWeights) -> dict[str, Tensor]:
        """
        Return the losses of the joint batch and their 'total', and let the balance see them.

        :param losses: loss name -> scalar of this process, not weighted.
        :param weights: of the same batch.
        :return: without the losses by labels of tasks that no image is labelled for; empty where
            there is no loss at all.
        """
        values = self._ranks.sum_scalars(
            {name: value * weights.share[name] for name, value in losses.items()},
            [*self._names, *self._auxiliary])
        present = {name: value for name, value in values.items()
                   if name in self._auxiliary or weights.labelled.get(task_of(name), 1)}
        self.balance.observe({name: present[name] for name in self._names if name in present})
        if present:
            present['total'] = sum(weights.total[name] * value
                                   for name, value in present.items())
        return present
