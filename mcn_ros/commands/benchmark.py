# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measure what a training step takes: memory, for networks with more and more tasks."""

import argparse
from functools import partial
import gc
import json
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mcn_ros.commands import clear_errors
from mcn_ros.data.batch import Batch, collate
from mcn_ros.geometry import Size
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.backbones import BACKBONES
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime.backends import pick_device
from mcn_ros.structures import ClassMap, Sample
from mcn_ros.trainer.step import backward, known_losses

# name -> arguments of `backward`: the ways from a batch to its gradients.
WAYS = {'taskwise_recomputed': {'checkpoint': True}, 'taskwise': {}, 'joint': {'joint': True}}
TITLES = {'taskwise_recomputed': 'task by task, stages recomputed', 'taskwise': 'task by task',
          'joint': 'joint'}
TASK = 'segmentation'


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='benchmark', description=__doc__)
    parser.add_argument('--memory', action='store_true', required=True,
                        help='peak memory of the activations of one training step, for each way '
                             'to go backward')
    parser.add_argument('--tasks', type=_positive, default=7, metavar='N',
                        help='networks with 1 to N equal heads, segmentation of 80 classes '
                             '(default: %(default)s)')
    parser.add_argument('--backbone', choices=BACKBONES, default=TrunkConfig.backbone,
                        help='of the networks (default: %(default)s)')
    parser.add_argument('--size', type=_positive, nargs=2, default=(256, 256), metavar=('H', 'W'),
                        help='of the images, multiples of 32 (default: 256 256)')
    parser.add_argument('--batch', type=_positive, default=2, metavar='B',
                        help='number of images (default: %(default)s)')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--json', type=Path, metavar='OUT', help='write all figures to this file')
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text} is not positive')
    return number


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
    model = MultiTaskNet(ModelConfig({TASK: {}}, TrunkConfig(backbone), size))
    task = model.tasks.pop(TASK)
    del model.heads[TASK]
    for index in range(num_tasks):
        model.tasks[f'{TASK}_{index}'] = task
        model.heads[f'{TASK}_{index}'] = task.build_head(model.trunk.channels)
    return model


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
    weights = dict.fromkeys(known_losses(model.tasks), 1.0)
    step = partial(backward, model, batch, weights,
                   scaler=torch.amp.GradScaler(device.type, enabled=False))
    step()  # from now on parameters have gradients; they are no activations
    return {way: peak_memory(partial(step, **arguments), device)
            for way, arguments in WAYS.items()}


def growth(peaks: Sequence[int]) -> list[float]:
    """Return by what share each peak exceeds the one before it, from the second on."""
    return [after / before - 1 for before, after in zip(peaks, peaks[1:])]


def table(rows: Sequence[Mapping[str, int]]) -> str:
    """
    Return peaks as a Markdown table.

    :param rows: for 1, 2, ... tasks: way -> bytes.
    """
    columns = []
    for way in WAYS:
        peaks = [row[way] for row in rows]
        shares = ['', *(f' ({share:+.1%})' for share in growth(peaks))]
        columns.append([f'{peak / 2**20:.1f} MiB{share}' for peak, share in zip(peaks, shares)])
    lines = [('tasks', *(TITLES[way] for way in WAYS)), ['---:'] * (1 + len(WAYS)),
             *((str(i + 1), *cells) for i, cells in enumerate(zip(*columns)))]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = parse(arguments)
    with clear_errors():
        torch.set_num_threads(1)  # as many bytes, and two threads on a busy machine take longer
        device, size = pick_device(args.device), tuple(args.size)
        rows = [measure(number, args.backbone, size, args.batch, device)
                for number in range(1, args.tasks + 1)]
        print(f'{args.backbone}, {args.batch} images of {size[0]}x{size[1]}, {device}: peak '
              'memory of the activations, and growth by the task added\n')
        print(table(rows))
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            result = {'backbone': args.backbone, 'size': size, 'batch': args.batch,
                      'device': str(device), 'torch': torch.__version__,
                      'bytes': [{'tasks': i + 1, **row} for i, row in enumerate(rows)]}
            args.json.write_text(json.dumps(result, indent=2) + '\n')
