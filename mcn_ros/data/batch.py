# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Samples stacked to batches.

A task sees only the images that are labelled for it, as in UberNet (I. Kokkinos, CVPR 2017,
section 3.2: a task that has no ground truth for an image does not take part in its update).
"""

from dataclasses import dataclass, replace
from typing import Any, Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mcn_ros.data.recolor import recolor
from mcn_ros.geometry import Grid, STRIDE
from mcn_ros.structures import Sample


@dataclass(frozen=True)
class Batch:
    """
    B images with the targets of the tasks that are labelled in them.

    :param images: (B, 3, H, W) uint8 RGB; float32, 0..255 and beyond, once ``colors`` have been
        applied. In memory the channels come last, as in a picture.
    :param targets: task -> target name -> (R, ...), R images of the batch are labelled for it. A
        task that no image is labelled for is missing.
    :param rows: task -> (R,) int64: which images those are.
    :param ids: B names of the images.
    :param unreadable: why images that should be here are not, others are in their places.
    :param colors: (B, 3, 4) float32, affines of RGB that the images are still to go through, on
        the device where they are learned from; None where they are as they should be.
    """

    images: Tensor
    targets: dict[str, dict[str, Tensor]]
    rows: dict[str, Tensor]
    ids: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    colors: Tensor | None = None

    def to(self, device: torch.device | str, non_blocking: bool = False) -> 'Batch':
        """Return the batch on a device, with the colours that it is to have there."""
        batch = self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))
        if batch.colors is None:
            return batch
        return replace(batch, images=recolor(batch.images, batch.colors), colors=None)

    def pin_memory(self) -> 'Batch':
        """Return the batch in page-locked memory; a loader with ``pin_memory`` calls this."""
        return self._map(lambda tensor: tensor.pin_memory())

    def share_memory(self) -> 'Batch':
        """
        Return the batch in memory that other processes can read.

        :raises RuntimeError: if there is not enough of it.
        """
        return self._map(lambda tensor: tensor.share_memory_())

    @property
    def num_bytes(self) -> int:
        """Return how much memory the images and targets take."""
        targets = [tensor for task in self.targets.values() for tensor in task.values()]
        colors = () if self.colors is None else (self.colors,)
        return sum(tensor.nbytes for tensor in (self.images, *colors, *targets,
                                                *self.rows.values()))

    def _map(self, change: Callable[[Tensor], Tensor]) -> 'Batch':
        return replace(
            self, images=change(self.images),
            targets={task: {name: change(tensor) for name, tensor in targets.items()}
                     for task, targets in self.targets.items()},
            rows={task: change(tensor) for task, tensor in self.rows.items()},
            colors=None if self.colors is None else change(self.colors))


def collate(samples: Sequence[Sample], tasks: Mapping[str, Any], stride: int = STRIDE) -> Batch:
    """
    Encode samples and stack them.

    :param samples: B samples of one size, in input pixels.
    :param tasks: task name -> task.
    :param stride: input pixels per grid cell.
    """
    images = torch.from_numpy(np.stack([sample.image for sample in samples]))
    grid = Grid.of_input(samples[0].image.shape[:2], stride)
    rows = {name: [i for i, sample in enumerate(samples) if name in sample.annotations]
            for name in tasks}
    rows = {name: labelled for name, labelled in rows.items() if labelled}
    targets = {name: stack([tasks[name].encode(samples[i].annotations[name], grid)
                            for i in labelled])
               for name, labelled in rows.items()}
    return Batch(images.permute(0, 3, 1, 2), targets,
                 {name: torch.tensor(labelled) for name, labelled in rows.items()},
                 tuple(sample.id for sample in samples), colors=_stack_colors(samples))


def _stack_colors(samples: Sequence[Sample]) -> Tensor | None:
    if all(sample.colors is None for sample in samples):
        return None
    return torch.from_numpy(np.stack([np.eye(3, 4, dtype=np.float32) if sample.colors is None
                                      else sample.colors for sample in samples]))


def stack(targets: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stack the targets of images; lists that are not as long as the longest end with zeros."""
    # As long as all are equal, this is torch.stack, and as fast.
    return {name: pad_sequence([target[name] for target in targets], batch_first=True)
            if targets[0][name].dim() else torch.stack([target[name] for target in targets])
            for name in targets[0]}
