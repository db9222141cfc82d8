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

from mcn_ros.data.batch import Batch, collate
from mcn_ros.geometry import Size
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.structures import (
    ClassMap, Instances, Poses, RegionMap, Sample, ScalarMap, Structure, VectorMap)
from mcn_ros.tables import markdown
from mcn_ros.tasks import Task
from mcn_ros.trainer.objective import paper_weights
from mcn_ros.trainer.step import backward

# name -> arguments of `backward`: the ways from a batch to its gradients.
WAYS = {'taskwise_recomputed': {'checkpoint': True}, 'taskwise': {}, 'joint': {'joint': True}}
TITLES = {'taskwise_recomputed': 'task by task, stages recomputed', 'taskwise': 'task by task',
          'joint': 'joint'}
KIND = 'segmentation'  # of equal heads
KINDS = ('detection', 'pose', 'segmentation', 'boundaries', 'normals', 'saliency', 'parts',
         'semantic_boundaries')  # one of each: not those that are the same in another way
OBJECTS = 3  # in an image


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


def tasks_of(count: int, each_kind: bool = False) -> dict[str, dict[str, str]]:
    """
    Return so many tasks: equal ones, or the first of the different kinds.

    :raises ValueError: for more than there are kinds.
    """
    if not each_kind:
        return {f'{KIND}_{index}': {'kind': KIND} for index in range(count)}
    if count > len(KINDS):
        raise ValueError(f'tasks: {count}, but there are {len(KINDS)} kinds: {", ".join(KINDS)}')
    return {kind: {} for kind in KINDS[:count]}


def build_batch(model: MultiTaskNet, num_images: int) -> Batch:
    """Return images of noise, labelled for all tasks."""
    rng, size = np.random.default_rng(0), model.config.input_size
    labels = {name: NOISE[task.annotation](task, size, rng)
              for name, task in model.tasks.items()}
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    return collate([Sample(image, labels)] * num_images, model.tasks)


def _vectors(task: Task, size: Size, rng: np.random.Generator) -> VectorMap:
    vectors = rng.normal(size=(*size, 3)).astype(np.float32)
    return VectorMap(vectors / np.linalg.norm(vectors, axis=2, keepdims=True))


def _boxes(size: Size, rng: np.random.Generator) -> np.ndarray:
    corners = np.sort(rng.uniform(0, min(size), (OBJECTS, 2, 2)), axis=1)
    return corners.reshape(OBJECTS, 4).astype(np.float32)


def _people(task: Task, size: Size, rng: np.random.Generator) -> Poses:
    joints = OBJECTS, task.joints.num_keypoints
    points = rng.uniform(0, min(size), (*joints, 2)).astype(np.float32)
    return Poses(_boxes(size, rng), np.ones(OBJECTS, np.float32), points,
                 np.ones(joints, np.float32), skeleton=task.joints)


# Type of labels -> (task, size, random numbers) -> labels of an image.
NOISE: dict[type, Callable[[Task, Size, np.random.Generator], Structure]] = {
    ClassMap: lambda task, size, rng: ClassMap(
        rng.integers(0, len(task.classes) + 1, size, np.uint8)),
    ScalarMap: lambda task, size, rng: ScalarMap(rng.integers(0, 2, size, np.uint8)),
    RegionMap: lambda task, size, rng: RegionMap(
        rng.integers(0, OBJECTS + 1, size, np.uint16), np.arange(OBJECTS)),
    VectorMap: _vectors,
    Instances: lambda task, size, rng: Instances(
        _boxes(size, rng), rng.integers(0, len(task.classes), OBJECTS),
        np.ones(OBJECTS, np.float32)),
    Poses: _people,
}


def measure(num_tasks: int, backbone: str, size: Size, num_images: int, device: torch.device,
            each_kind: bool = False) -> dict[str, int]:
    """
    Return way -> peak memory of the activations of a step, in bytes.

    :param each_kind: of tasks of different kinds, rather than of equal ones.
    """
    torch.manual_seed(0)
    config = ModelConfig(tasks_of(num_tasks, each_kind), TrunkConfig(backbone), size)
    model = MultiTaskNet(config).to(device, memory_format=torch.channels_last).train()
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


def table(rows: Sequence[Mapping[str, int]], names: Sequence[str] = ()) -> str:
    """
    Return peaks, for 1, 2, ... tasks: way -> bytes, as a Markdown table.

    :param names: of the tasks that are added, one for each row; none where all are equal.
    """
    columns = []
    for way in WAYS:
        peaks = [row[way] for row in rows]
        shares = ['', *(f' ({share:+.1%})' for share in growth(peaks))]
        columns.append([f'{peak / 2**20:.1f} MiB{share}' for peak, share in zip(peaks, shares)])
    counts = [f'{index + 1}: {name}' for index, name in enumerate(names)] or [
        str(index + 1) for index in range(len(rows))]
    return markdown(['tasks', *(TITLES[way] for way in WAYS)],
                    [[count, *cells] for count, *cells in zip(counts, *columns)],
                    words=1 if names else 0)
