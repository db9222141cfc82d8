# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Samples stacked to batches.

A task sees only the images that are labelled for it, as in UberNet (I. Kokkinos, CVPR 2017,
section 3.2: a task that has no ground truth for an image does not take part in its update).
"""

from dataclasses import dataclass, replace
from typing import Any, Callable, Mapping, NamedTuple, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mcn_ros.data.recolor import recolor
from mcn_ros.geometry import Grid, STRIDE
from mcn_ros.structures import Sample

ALIGNMENT = 64  # bytes; tensors in a block begin at multiples of it


class Place(NamedTuple):
    """Where in a block of memory a tensor is, and how it lies there."""

    begin: int
    end: int
    dtype: torch.dtype
    shape: torch.Size
    stride: tuple[int, ...]

    @classmethod
    def of(cls, tensor: Tensor, begin: int) -> 'Place':
        """Return the place of a tensor that is to begin, or begins, so many bytes into a block."""
        return cls(begin, begin + tensor.nbytes, tensor.dtype, tensor.shape, tensor.stride())

    def view(self, block: Tensor) -> Tensor:
        """Return what is there."""
        return block[self.begin:self.end].view(self.dtype).as_strided(
            self.shape, self.stride, (block.storage_offset() + self.begin) // self.dtype.itemsize)


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
    :param block: (N,) uint8, of which all tensors are views, so that they travel as one; None
        where each has its own memory.
    """

    images: Tensor
    targets: dict[str, dict[str, Tensor]]
    rows: dict[str, Tensor]
    ids: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    colors: Tensor | None = None
    block: Tensor | None = None

    def to(self, device: torch.device | str, non_blocking: bool = False) -> 'Batch':
        """Return the batch on a device, with the colours that it is to have there."""
        batch = self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))
        if batch.colors is None:
            return batch
        return replace(batch, images=recolor(batch.images, batch.colors), colors=None, block=None)

    def pin_memory(self) -> 'Batch':
        """Return the batch in page-locked memory; a loader with ``pin_memory`` calls this."""
        return self._map(lambda tensor: tensor.pin_memory())

    def share_memory(self) -> 'Batch':
        """
        Return the batch in a block of memory that other processes can read.

        One block is made, sent, pinned and copied to a device in less time than thirty tensors.

        :raises RuntimeError: if there is not enough of it.
        """
        places, end = [], 0
        for tensor in self._tensors():
            places.append(Place.of(tensor, end))
            end = -(-places[-1].end // ALIGNMENT) * ALIGNMENT
        # As PyTorch's own collate does: share_memory_() would copy what is in the block.
        storage = torch.UntypedStorage._new_shared(end, device='cpu')
        block = torch.empty(0, dtype=torch.uint8).set_(storage)
        views = [place.view(block) for place in places]
        for view, tensor in zip(views, self._tensors()):
            view.copy_(tensor)
        return self._with(views, block)

    @property
    def num_bytes(self) -> int:
        """Return how much memory the images and targets take."""
        return sum(tensor.nbytes for tensor in self._tensors())

    def _tensors(self) -> list[Tensor]:
        targets = [tensor for task in self.targets.values() for tensor in task.values()]
        colors = [] if self.colors is None else [self.colors]
        return [self.images, *colors, *targets, *self.rows.values()]

    def _with(self, tensors: Sequence[Any], block: Tensor | None = None) -> 'Batch':
        """Return the batch with other tensors, in the order of :meth:`_tensors`."""
        rest = iter(tensors)
        return replace(
            self, images=next(rest), colors=None if self.colors is None else next(rest),
            targets={task: {name: next(rest) for name in targets}
                     for task, targets in self.targets.items()},
            rows={task: next(rest) for task in self.rows}, block=block)

    def _places(self) -> list[Place]:
        """Return where the tensors are in the block."""
        start = self.block.storage_offset()
        return [Place.of(tensor, tensor.storage_offset() * tensor.itemsize - start)
                for tensor in self._tensors()]

    def _map(self, change: Callable[[Tensor], Tensor]) -> 'Batch':
        if self.block is None:
            return self._with([change(tensor) for tensor in self._tensors()])
        block = change(self.block)
        return self._with([place.view(block) for place in self._places()], block)

    def __getstate__(self) -> dict[str, Any]:
        """Return the block once: to send each tensor would ask the other process for each."""
        whole = self if self.block is None else self._with(self._places(), self.block)
        return dict(whole.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.block is not None:
            places = self._tensors()
            self.__dict__.update(self._with([place.view(self.block) for place in places],
                                            self.block).__dict__)


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
