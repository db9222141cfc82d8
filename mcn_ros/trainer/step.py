# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The gradients of one batch, with memory that does not grow with the number of tasks.

Source: I. Kokkinos, "UberNet", CVPR 2017, section 4 and figure 4: the trunk runs forward once;
then every task by itself runs its head, its loss and its backward pass down to the features, and
leaves memory; then the summed gradients of the features go backward through the trunk once.
"""

from typing import Collection, Mapping, Sequence

import torch
from torch import Tensor
from torch.amp import GradScaler

from mcn_ros.data.batch import Batch
from mcn_ros.model import MultiTaskNet
from mcn_ros.network.features import Features, take
from mcn_ros.trainer.finite import FiniteWatch
from mcn_ros.trainer.retention import RetentionLoss
from mcn_ros.trainer.teacher import LOSS, Teacher


def backward(model: MultiTaskNet, batch: Batch, weights: Mapping[str, float | Tensor], *,
             scaler: GradScaler, amp: torch.dtype | None = None, joint: bool = False,
             checkpoint: bool = False, retention: RetentionLoss | None = None,
             teacher: Teacher | None = None, everywhere: Collection[str] = (),
             finite: FiniteWatch | None = None,
             ) -> dict[str, Tensor]:
    """
    Add the gradients of a batch to those that the parameters have; nothing is updated.

    :param batch: on the device of the model; rows ascend.
    :param weights: loss name -> weight, for all losses of the labelled tasks, of
        ``retention`` and of ``teacher``.
    :param scaler: keeps float16 gradients from vanishing; disabled for other types.
    :param amp: type of the forward pass, None for float32.
    :param joint: one graph and one backward pass for all tasks, the textbook way: the gradients
        are the same, all heads are in memory at once.
    :param checkpoint: keep little of the trunk's activations, recompute the rest.
    :param retention: the loss that keeps parts of the same model as they were.
    :param teacher: whose maps are targets, too, on all images: they need no label for it.
    :param everywhere: tasks for which all processes run the trunk, forward and backward, though no
        image here may be labelled for them: what synchronised batch norms need.
    :param finite: is shown the losses; by default they are looked at here.
    :return: 'task/loss' -> scalar, not weighted, detached; a task without labelled images, that
        nobody teaches, runs no head, gets no gradient and is absent.
    :raises FloatingPointError: if a loss is not finite; names losses and images. The gradients
        are of no use then.
    """
    taught = teacher.tasks if teacher else ()
    tasks = [name for name in model.heads if name in batch.rows or name in taught]
    computed = [name for name in model.heads if name in tasks or name in everywhere]
    if not computed:
        return {}
    autocast = torch.autocast(batch.images.device.type, amp, enabled=amp is not None)
    with autocast:
        features = model.features(batch.images, computed, checkpoint)
        retained = retention.losses(batch.images, tasks) if retention else {}
        teacher_maps = teacher(batch.images) if teacher else {}
    # Tasks that share a tensor share its leaf: there their gradients add up.
    leaves = {tensor: tensor if joint else tensor.detach().requires_grad_(tensor.requires_grad)
              for maps in features.values() for tensor in maps.values()}
    losses = {name: value.detach() for name, value in retained.items()}
    totals = [scaler.scale(sum(weights[name] * value for name, value in retained.items()))
              ] if retained else []
    for task in tasks:
        with autocast:
            maps = {name: leaves[tensor] for name, tensor in features[task].items()}
            task_losses = _task_losses(model, batch, task, maps, teacher_maps.get(task))
        total = sum(weights[name] * value for name, value in task_losses.items())
        totals.append(scaler.scale(total))
        losses |= {name: value.detach() for name, value in task_losses.items()}
        if not joint:
            _backward([totals.pop()])
    finite = finite or FiniteWatch(scaler)
    finite.images = batch.ids
    finite.add('loss is', losses)
    gradients = {tensor: torch.zeros_like(tensor)
                 for task in everywhere for tensor in features[task].values()}
    if joint:
        totals = [sum(totals)] if totals else []
    else:
        gradients |= {tensor: leaf.grad for tensor, leaf in leaves.items()
                      if leaf.grad is not None}
    _backward([*totals, *gradients], [*(None for _ in totals), *gradients.values()])
    return losses


def _task_losses(model: MultiTaskNet, batch: Batch, task: str, features: Features,
                 teacher_maps: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
    """Run one head on its images; return 'task/loss' -> scalar. The maps live here only."""
    rows = batch.rows.get(task, ())
    some = len(rows) < len(batch.images)  # rows ascend: as many as images are all, uncopied
    losses = {}
    if teacher_maps is not None:
        maps = model.heads[task](features)
        losses[LOSS] = model.tasks[task].distance(maps, teacher_maps)
        maps = take(maps, rows) if some and len(rows) else maps
    else:
        maps = model.heads[task](take(features, rows) if some else features)
    if len(rows):
        losses |= model.tasks[task].loss(maps, batch.targets[task])
    return {f'{task}/{name}': value for name, value in losses.items()}


def _backward(tensors: Sequence[Tensor], gradients: Sequence[Tensor | None] | None = None) -> None:
    """Go backward from what leads to a parameter; with frozen parts it may be nothing."""
    gradients = gradients or [None] * len(tensors)
    learns = [(t, gradient) for t, gradient in zip(tensors, gradients) if t.requires_grad]
    if learns:
        torch.autograd.backward(*zip(*learns))
