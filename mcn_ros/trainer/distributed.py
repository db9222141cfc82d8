# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Several processes that torchrun starts: one per GPU, or, slowly, on the CPU; on several machines.

What is done for one image after the other is shared by :meth:`Ranks.share`.

In a training, every process has the whole network and a share of each batch. Gradients are summed
by hand when their owner is about to be updated, not by the hooks of DistributedDataParallel: the
task-wise backward goes through the network in pieces, owners are updated at different times, and
where a process has no image labelled for a task, the parameters of the task get no gradient there.
It sends zeros then. All processes call the same operations in the same order whatever is labelled
where, so none can wait for another for ever.

Batch norms use the images of their own process, as in CenterNet, unless those of the trunk are
synchronised (:mod:`mcn_ros.trainer.batch_norm`). Their running statistics, which training does not
use, are averaged before weights are saved.
"""

from datetime import timedelta
from itertools import zip_longest
import os
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence, TypeVar

import torch
from torch import distributed, nn, Tensor

from mcn_ros.runtime.backends import pick_device

BUCKET = 2 ** 23  # numbers per message: large enough to be efficient, small beside the network
# Longer than a batch may take to be prepared, and than process 0 counts, draws and writes.
PATIENCE = timedelta(minutes=30)
TURNS = 16  # items of each process between messages to process 0
LOST = 'gloo/transport'  # in what PyTorch says when a process that is waited for is gone

Item = TypeVar('Item')
Result = TypeVar('Result')


class Ranks:
    """
    The processes of a run. Alone, without torchrun, nothing here communicates.

    In a ``with`` statement that ends by an error, nobody is waited for: torchrun ends the others.

    :param device: as :func:`mcn_ros.runtime.backends.pick_device` takes it; on GPUs, process
        LOCAL_RANK of several takes the GPU of that number.
    :ivar rank: number of this process; 0 is the one that writes files.
    :ivar world: number of processes.
    :ivar device: device of this process.
    :ivar device_name: how this process names it to others who pick one: its own GPU, or what was
        given where it is the only process.
    :raises ValueError: for a device that is not there.
    """

    def __init__(self, device: str = 'auto'):
        self.rank = int(os.environ.get('RANK', 0))
        self.world = int(os.environ.get('WORLD_SIZE', 1))
        self.device = pick_device(device)
        cuda = self.device.type == 'cuda'
        if self.world > 1 and cuda:
            self.device = pick_device(f'cuda:{os.environ["LOCAL_RANK"]}')
            torch.cuda.set_device(self.device)
        self.device_name = device if self.world == 1 else str(self.device)
        self._owns_group = self.world > 1 and not distributed.is_initialized()
        if self._owns_group:
            # Objects and whole numbers never wait for a GPU.
            distributed.init_process_group('cpu:gloo,cuda:nccl' if cuda else 'gloo',
                                           timeout=PATIENCE,
                                           device_id=self.device if cuda else None)

    def __enter__(self) -> 'Ranks':
        return self

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if error is None:
            self.close()
        elif isinstance(error, RuntimeError) and LOST in str(error):
            raise OSError('another process of this run has ended, or cannot be reached; what it '
                          f'says itself tells why ({" ".join(str(error).split())})') from None

    @property
    def leads(self) -> bool:
        """Return whether this is the process that tells and writes."""
        return self.rank == 0

    def share(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """
        Do something with every item, each process with its share, and yield the results in order.

        All of them are yielded in process 0, and none in the others.

        :param items: the same in all processes, each of which goes through all of them.
        """
        if self.world == 1:
            yield from map(work, items)
            return
        results: list[Result] = []
        for number, item in enumerate(items, 1):
            if (number - 1) % self.world == self.rank:
                results.append(work(item))
            if number % (TURNS * self.world) == 0:
                yield from self._in_turn(results)
                results = []
        yield from self._in_turn(results)

    def _in_turn(self, results: list[Result]) -> Iterator[Result]:
        """Yield the results of all processes, one of each in turn, in process 0."""
        nothing = object()
        for turn in zip_longest(*self.gather(results), fillvalue=nothing):
            yield from (result for result in turn if result is not nothing)

    def gather(self, value: Any) -> list[Any]:
        """Return what each process gives, in process 0; [] in the others."""
        if self.world == 1:
            return [value]
        values = [None] * self.world if self.leads else None
        distributed.gather_object(value, values)
        return values or []

    def spread(self, value: Any) -> Any:
        """Return what process 0 gives."""
        values = [value]
        if self.world > 1:
            distributed.broadcast_object_list(values, 0)
        return values[0]

    def sum_scalars(self, values: Mapping[str, float | Tensor], names: Sequence[str],
                    ) -> dict[str, Tensor]:
        """
        Sum named scalars over the processes, in one message.

        :param values: name -> scalar; a missing name is 0.
        :param names: the same in all processes.
        :return: name -> scalar float64, on the device.
        """
        # Numbers are written by the device itself: to copy them would wait for it.
        scalars = [value.to(self.device, torch.float64) if isinstance(value, Tensor) else
                   torch.full((), value, dtype=torch.float64, device=self.device)
                   for value in (values.get(name, 0) for name in names)]
        if self.world > 1 and scalars:
            joint = torch.stack(scalars)
            distributed.all_reduce(joint)
            scalars = joint.unbind()
        return dict(zip(names, scalars))

    def sum_counts(self, *counts: int) -> list[int]:
        """Sum whole numbers over the processes, in one message; no device is involved."""
        if self.world == 1:
            return list(counts)
        joint = torch.tensor(counts, dtype=torch.int64)
        distributed.all_reduce(joint)
        return joint.tolist()

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """
        Sum gradients over the processes; where a process has None, it adds zero.

        Where all processes have None, None remains.

        :param parameters: the same in all processes, in the same order.
        """
        if self.world == 1:
            return
        present = self.sum_counts(*(value.grad is not None for value in parameters))
        for bucket in _buckets(v for v, used in zip(parameters, present) if used):
            for value in bucket:
                if value.grad is None:
                    value.grad = torch.zeros_like(value)
            flat = torch.cat([value.grad.flatten() for value in bucket])
            distributed.all_reduce(flat)
            for value, part in zip(bucket, flat.split([value.numel() for value in bucket])):
                value.grad.copy_(part.view_as(value))

    def broadcast(self, model: nn.Module) -> None:
        """Give all processes the parameters and buffers of process 0."""
        if self.world > 1:
            for value in model.state_dict().values():
                sent = value.contiguous()  # what a message must be, in channels_last too
                distributed.broadcast(sent, 0)
                value.copy_(sent)

    def average_buffers(self, model: nn.Module) -> None:
        """Give all processes the mean of their running statistics."""
        if self.world > 1:
            for name, value in model.named_buffers():
                if name.endswith(('running_mean', 'running_var')):
                    distributed.all_reduce(value)
                    value /= self.world

    def barrier(self) -> None:
        """Wait until all processes are here."""
        if self.world > 1:
            distributed.barrier()

    def close(self) -> None:
        """End the communication, unless the process had begun it before."""
        if self._owns_group:
            distributed.destroy_process_group()


def _buckets(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Cut a list into pieces of about BUCKET numbers."""
    bucket: list[nn.Parameter] = []
    for value in parameters:
        bucket.append(value)
        if sum(member.numel() for member in bucket) >= BUCKET:
            yield bucket
            bucket = []
    if bucket:
        yield bucket
