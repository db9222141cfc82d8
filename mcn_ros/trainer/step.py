# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One training step: the losses of a batch, weighted once, and the update of the weights."""

from typing import Mapping

import torch
from torch import Tensor

from mcn_ros.data.batch import Batch
from mcn_ros.model import MultiTaskNet

# MCN, section 3: L_center + 0.1 L_size + L_off + L_keyp + L_keyp_off + 5 L_seg. The pose head
# finds its people with a centre, a size and an offset of its own, weighted like those of
# detection. A loss that is not named here has weight 1.
LOSS_WEIGHTS = {'detection/size': 0.1, 'pose/size': 0.1, 'segmentation/cross_entropy': 5.0}


def batch_losses(model: MultiTaskNet, batch: Batch) -> dict[str, Tensor]:
    """
    Run the network on a batch, each head only on the images that are labelled for it.

    :return: 'task/loss' -> scalar, not weighted; a task without a labelled image is absent.
    """
    outputs = model(batch.images, batch.rows)
    losses = {}
    for name, maps in outputs.items():
        for key, value in model.tasks[name].loss(maps, batch.targets[name]).items():
            losses[f'{name}/{key}'] = value
    return losses


def weighted_sum(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return the total loss; the one place where losses are weighted."""
    return sum(weights.get(name, 1.0) * value for name, value in losses.items())


def train_step(model: torch.nn.Module, batch: Batch, optimizer: torch.optim.Optimizer,
               weights: Mapping[str, float], scaler: torch.amp.GradScaler,
               amp: torch.dtype | None, max_norm: float) -> dict[str, float]:
    """
    Update the weights with one batch.

    :param weights: factors of the losses, see LOSS_WEIGHTS.
    :param scaler: keeps float16 gradients from vanishing; disabled for other types.
    :param amp: type of the forward pass on a GPU, None for float32.
    :param max_norm: gradients are scaled down to this norm.
    :return: the losses, not weighted, and their weighted sum as 'total'; nothing, and no update,
        if no image of the batch is labelled for any task.
    :raises FloatingPointError: if the total is not finite; nothing is updated then.
    """
    if not batch.rows:
        return {}
    with torch.autocast(batch.images.device.type, amp, enabled=amp is not None):
        losses = batch_losses(model, batch)
    total = weighted_sum(losses, weights)
    if not torch.isfinite(total):
        bad = [name for name, value in losses.items() if not torch.isfinite(value)]
        raise FloatingPointError(
            f'loss is not finite: {", ".join(bad)}; images {", ".join(batch.ids)}')
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(total).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return {**{name: value.item() for name, value in losses.items()}, 'total': total.item()}
