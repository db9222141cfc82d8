# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a training step takes: memory, for networks with more and more tasks."""

from functools import partial
import gc
from typing import Any, Callable, Mapping, Sequence
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mcn_ros.benchmark.tables import markdown
from mcn_ros.data.batch import Batch, collate
from mcn_ros.geometry import Size
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.structures import ClassMap, Sample
from mcn_ros.trainer.objective import paper_weights
from mcn_ros.trainer.step import backward

# name -> arguments of `backward`: the ways from a batch to its gradients.
WAYS = {'taskwise_recomputed': {'checkpoint': True}, 'taskwise': {}, 'joint': {'joint': True}}
TITLES = {'taskwise_recomputed': 'task by task, stages recomputed', 'taskwise': 'task by task',
          'joint': 'joint'}
KIND = 'segmentation'


class LiveTensors(TorchDispatchMode):
    """
    Counts the bytes of the tensors that operators make while it is entered, as long as they live.

    What an operator needs for itself while it runs is not counted: it differs between machines.

    :ivar peak: the most bytes at one time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._made: WeakSet[torch.UntypedStorage] = WeakSet()

    def __torch_dispatch__(self, operator: Callable[..., Any], types: Any,
                           args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None,
                           ) -> Any:
        result = operator(*args, **(kwargs or {}))
        # Views, and what is written in place, live in the memory of an argument.
        self._made.update(_storages(result) - _storages((args, kwargs)))
        self.peak = max(self.peak, sum(storage.nbytes() for storage in self._made))
        return result


def _storages(tree: Any) -> set[torch.UntypedStorage]:
    return {leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)}


def peak_memory(step: Callable[[], Any], device: torch.device) -> int:
    """Return how many bytes a step needs at once beyond those that are there before it."""
    gc.collect()
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    with LiveTensors() as tensors:
        step()
    return tensors.peak


def build(num_tasks: int, backbone: str, size: Size) -> MultiTaskNet:
    """Return a network with equal heads, however many."""
    tasks = {f'{KIND}_{index}': {'kind': KIND} for index in range(num_tasks)}
    return MultiTaskNet(ModelConfig(tasks, TrunkConfig(backbone), size))


def build_batch(model: MultiTaskNet, num_images: int) -> Batch:
    """Return images of noise, labelled for all tasks."""
    rng, size = np.random.default_rng(0), model.config.input_size
    labels = {name: ClassMap(rng.integers(0, 81, size, np.uint8)) for name in model.tasks}
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    return collate([Sample(image, labels)] * num_images, model.tasks)


def measure(num_tasks: int, backbone: str, size: Size, num_images: int, device: torch.device,
            ) -> dict[str, int]:
    """Return way -> peak memory of the activations of a step, in bytes."""
    torch.manual_seed(0)
    model = build(num_tasks, backbone, size).to(device, memory_format=torch.channels_last).train()
    batch = build_batch(model, num_images).to(device)
    weights = dict.fromkeys(paper_weights(model.tasks), 1.0)
    step = partial(backward, model, batch, weights,
                   scaler=torch.amp.GradScaler(device.type, enabled=False))
    step()  # from now on parameters have gradients; they are no activations
    return {way: peak_memory(partial(step, **arguments), device)
            for way, arguments in WAYS.items()}


def growth(peaks: Sequence[int]) -> list[float]:
    """Return by what share each peak exceeds the one before it, from the second on."""
    return [after / before - 1 for before, after in zip(peaks, peaks[1:])]


def table(rows: Sequence[Mapping[str, int]]) -> str:
    """Return peaks, for 1, 2, ... tasks: way -> bytes, as a Markdown table."""
    columns = []
    for way in WAYS:
        peaks = [row[way] for row in rows]
        shares = ['', *(f' ({share:+.1%})' for share in growth(peaks))]
        columns.append([f'{peak / 2**20:.1f} MiB{share}' for peak, share in zip(peaks, shares)])
    return markdown(['tasks', *(TITLES[way] for way in WAYS)],
                    [[str(i + 1), *cells] for i, cells in enumerate(zip(*columns))], words=0)
