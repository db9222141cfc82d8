# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Batch norms over the images of all processes, for batches that are small in each of them.

Those of the trunk only, which all processes run alike: a head runs only where its task is
labelled, and would wait for the others.
"""

from typing import Any

import torch
from torch import distributed, nn, Tensor


def synchronise(trunk: nn.Module, device: torch.device) -> None:
    """
    Let the batch norms of a trunk see the images of all processes.

    Parameters, statistics and their names stay.

    :param trunk: changed in place; a training with it passes ``everywhere`` to
        :func:`mcn_ros.trainer.step.backward`.
    """
    kind = nn.SyncBatchNorm if device.type == 'cuda' else CpuSyncBatchNorm
    for parent in list(trunk.modules()):
        for name, norm in list(parent.named_children()):
            if isinstance(norm, nn.BatchNorm2d):
                joint = kind(norm.num_features, norm.eps, norm.momentum)
                for part in (*norm._parameters, *norm._buffers):
                    setattr(joint, part, getattr(norm, part))
                setattr(parent, name, joint)


class CpuSyncBatchNorm(nn.SyncBatchNorm):
    """PyTorch's layer of that name, which runs on a GPU only, for processes on the CPU."""

    def forward(self, images: Tensor) -> Tensor:
        """Normalise (N, C, H, W)."""
        if not self.training:
            return super().forward(images)
        values = images.to(torch.promote_types(images.dtype, torch.float32))
        count = values.new_tensor([values.numel() / values.shape[1]])
        sums = _Sum.apply(torch.cat([values.sum((0, 2, 3)), count]))
        total = sums[-1].detach()
        mean = sums[:-1] / total
        centred = values - mean[:, None, None]
        variance = _Sum.apply(centred.square().sum((0, 2, 3))) / total
        scale = self.weight * (variance + self.eps).rsqrt()
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * total / (total - 1), self.momentum)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(images.dtype)


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is the gradient, as all of them use it."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total
