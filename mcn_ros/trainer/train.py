# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The training loop, top to bottom.

A run is a folder: config.yaml (what was asked for), checkpoint.pt (to go on from),
weights.safetensors (the averaged weights, for the node) and metrics.json (losses and scores).
"""

from dataclasses import dataclass, field
from functools import partial
import json
import math
import os
from pathlib import Path
from typing import Any, Callable, Iterator

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm import tqdm
import yaml

from mcn_ros.config import to_dict
from mcn_ros.data.augment import AugmentConfig
from mcn_ros.data.batch import Batch, collate
from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.union import Draws, TrainingSet, Union
from mcn_ros.evaluation.dataset import evaluate
from mcn_ros.model import load_model, ModelConfig, MultiTaskNet, save_model
from mcn_ros.network.backbones.pretrained import load_backbone
from mcn_ros.runtime.backends import pick_device, pick_precision
from mcn_ros.runtime.predictor import Predictor
from mcn_ros.trainer.step import LOSS_WEIGHTS, train_step


@dataclass(frozen=True)
class DatasetConfig:
    """
    A data set in COCO format.

    :param annotations: path of the JSON file.
    :param images: path of the image folder.
    :param weight: share of the drawn samples, relative to the other data sets; None: its size.
    """

    annotations: str
    images: str
    weight: float | None = None


@dataclass(frozen=True)
class TrainConfig:
    """
    A training run.

    :param run: folder that the run writes to.
    :param model: the network; its input_size is what the finished weights are meant for.
    :param datasets: what to learn from, drawn from as one.
    :param validation: what to score on, never learned from; None: no scores.
    :param backbone_weights: checkpoint that the backbone starts from, 'imagenet' for
        torchvision's, None for random weights.
    :param initial_weights: weights file of this package that all parts start from.
    :param train_size: (height, width) of the training crops in input pixels.
    :param augment: how samples are varied.
    :param steps: number of updates.
    :param batch_size: images per update.
    :param learning_rate: of AdamW, at its highest.
    :param rates: beginning of parameter names -> learning rate relative to that of all else; the
        longest beginning counts. Below 1, a pretrained trunk.backbone keeps more of what it knows;
        above 1, layers whose results are large numbers of cells (heads.pose.maps.displacement)
        get there sooner, since the steps of Adam do not grow with the gradient.
    :param weight_decay: of AdamW.
    :param warmup_steps: updates until the learning rate is at its highest; it falls as a cosine
        to zero from there.
    :param max_norm: gradients are scaled down to this norm.
    :param ema_decay: share of the old in the running average of the weights, per update.
    :param loss_weights: 'task/loss' -> factor, on top of those of the paper.
    :param workers: processes that prepare samples.
    :param seed: of initial weights, sample order and augmentation.
    :param device: 'auto', 'cpu', 'cuda' or 'cuda:N'.
    :param precision: 'auto' (float16 on a GPU, else float32), 'float32', 'float16', 'bfloat16'.
    :param save_every: updates between checkpoints.
    :param validate_every: updates between scores.
    """

    run: str
    model: ModelConfig
    datasets: tuple[DatasetConfig, ...]
    validation: DatasetConfig | None = None
    backbone_weights: str | None = None
    initial_weights: str | None = None
    train_size: tuple[int, int] = (512, 512)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    steps: int = 10000
    batch_size: int = 16
    learning_rate: float = 1e-3
    rates: dict[str, float] = field(default_factory=dict)
    weight_decay: float = 1e-4
    warmup_steps: int = 500
    max_norm: float = 35.0
    ema_decay: float = 0.999
    loss_weights: dict[str, float] = field(default_factory=dict)
    workers: int = 2
    seed: int = 0
    device: str = 'auto'
    precision: str = 'auto'
    save_every: int = 500
    validate_every: int = 2000

    def __post_init__(self):
        for name in ('steps', 'batch_size', 'save_every', 'validate_every'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name}: {getattr(self, name)} is not positive')
        if not self.datasets:
            raise ValueError('datasets: none given')
        if any(side <= 0 or side % 32 for side in self.train_size):
            raise ValueError(f'train_size: {self.train_size} are no positive multiples of 32')


def train(config: TrainConfig, resume: bool = False) -> dict[str, Any]:
    """
    Train a network.

    :param config: the run; its folder is made.
    :param resume: go on from the checkpoint in the folder.
    :return: the last scores on the validation set, as `evaluate` gives them.
    :raises ValueError: for bad configuration or data, and for a folder that holds another run.
    :raises FloatingPointError: when a loss is not finite; names the images.
    """
    device = pick_device(config.device)
    dtype = pick_precision(config.precision, device)
    amp = None if dtype == torch.float32 else dtype
    torch.manual_seed(config.seed)

    model = build_model(config).to(device=device, memory_format=torch.channels_last)
    average = AveragedModel(model, avg_fn=running_average(config.ema_decay), use_buffers=True)
    optimizer = build_optimizer(config, model)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, config))
    scaler = torch.amp.GradScaler(device.type, enabled=amp == torch.float16)
    weights = {**LOSS_WEIGHTS, **config.loss_weights}
    validation = config.validation and CocoDataset(
        config.validation.annotations, config.validation.images, model.tasks)

    run = Run(Path(config.run), {'model': model, 'average': average, 'optimizer': optimizer,
                                 'schedule': schedule, 'scaler': scaler})
    first = run.resume() if resume else run.start()
    run.describe(config)
    batches = load_batches(config, model, first)
    scores = {}
    with tqdm(total=config.steps, initial=first, unit='step', dynamic_ncols=True) as bar:
        for step in range(first + 1, config.steps + 1):
            batch = next(batches).to(device)
            model.train()
            losses = train_step(model, batch, optimizer, weights, scaler, amp, config.max_norm)
            schedule.step()
            average.update_parameters(model)
            run.log(losses)
            bar.set_postfix_str(f'loss {run.mean("total"):.3f}', refresh=False)
            bar.update()
            last, scores = step == config.steps, {}
            if validation and (last or step % config.validate_every == 0):
                scores = evaluate(Predictor(average.module.eval(), str(device)), validation,
                                  progress=False)
                bar.write(f'step {step}: {summarise(scores)}')
            if last or step % config.save_every == 0 or step % config.validate_every == 0:
                run.save(step, average.module, scores)
    return scores


def build_optimizer(config: TrainConfig, model: MultiTaskNet) -> torch.optim.Optimizer:
    """
    Return AdamW over all parameters of the network, in one group per learning rate.

    :raises ValueError: if no parameter has a name that begins as one of the rates says.
    """
    names = [name for name, _ in model.named_parameters()]
    unused = [p for p in config.rates if not any(name.startswith(p) for name in names)]
    if unused:
        known = sorted({'.'.join(name.split('.')[:2]) for name in names})
        raise ValueError(f'rates: no parameter has a name that begins with {", ".join(unused)} '
                         f'(known: {", ".join(known)}, ...)')
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        prefix = max((p for p in config.rates if name.startswith(p)), key=len, default=None)
        groups.setdefault(config.rates.get(prefix, 1.0), []).append(parameter)
    return torch.optim.AdamW(
        [{'params': parameters, 'lr': rate * config.learning_rate}
         for rate, parameters in groups.items()],
        config.learning_rate, weight_decay=config.weight_decay)


def running_average(decay: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """
    Return the update of an exponential average that forgets the first, random weights quickly.

    :param decay: share of the old average; after n updates no more than (1 + n) / (10 + n).
    """
    def update(average: Tensor, value: Tensor, count: Tensor) -> Tensor:
        # On the device of the count: a number in Python would wait for the GPU at every tensor.
        kept = ((1 + count) / (10 + count)).clamp(max=decay)
        return average * kept + value * (1 - kept)

    return update


def build_model(config: TrainConfig) -> MultiTaskNet:
    """Build the network of a run with its initial weights."""
    model = MultiTaskNet(config.model)
    if config.backbone_weights:
        load_backbone(model.trunk.backbone, config.backbone_weights)
    if config.initial_weights:
        initial = load_model(config.initial_weights).state_dict()
        shapes = {k: v.shape for k, v in model.state_dict().items()}
        if shapes != {k: v.shape for k, v in initial.items()}:
            raise ValueError(f'initial_weights: {config.initial_weights} has another architecture')
        model.load_state_dict(initial)
    return model


def load_batches(config: TrainConfig, model: MultiTaskNet, first: int) -> Iterator[Batch]:
    """Yield the augmented batches of the updates after ``first``."""
    datasets = [CocoDataset(d.annotations, d.images, model.tasks) for d in config.datasets]
    union = Union(datasets, [len(dataset) if d.weight is None else d.weight
                             for d, dataset in zip(config.datasets, datasets)])
    samples = TrainingSet(union, config.train_size, config.augment, config.seed)
    draws = Draws(union, config.seed, first * config.batch_size, config.steps * config.batch_size)
    return iter(DataLoader(samples, config.batch_size, sampler=draws,
                           collate_fn=partial(collate, tasks=model.tasks),
                           num_workers=config.workers))


class Run:
    """
    The folder of a run: checkpoints, weights and the history of losses and scores.

    :param folder: where; made by :meth:`start`.
    :param parts: name -> object with state_dict and load_state_dict, all that a checkpoint holds.
    """

    def __init__(self, folder: Path, parts: dict[str, Any]):
        self.folder = folder
        self.parts = parts
        self.history: list[dict[str, Any]] = []
        self._sums: dict[str, list[float]] = {}

    def start(self) -> int:
        """Make the folder; return 0, the updates done so far."""
        if (self.folder / 'checkpoint.pt').exists():
            raise ValueError(f'{self.folder} holds a run already; resume it or choose another')
        self.folder.mkdir(parents=True, exist_ok=True)
        return 0

    def describe(self, config: TrainConfig) -> None:
        """Write the configuration; that of a resumed run may have changed."""
        text = yaml.safe_dump(to_dict(config), sort_keys=False)
        (self.folder / 'config.yaml').write_text(text)

    def resume(self) -> int:
        """Load the checkpoint; return the number of updates done so far."""
        path = self.folder / 'checkpoint.pt'
        if not path.is_file():
            raise ValueError(f'{self.folder} has no checkpoint to resume from')
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(checkpoint[name])
        self.history = checkpoint['history']
        return checkpoint['step']

    def log(self, losses: dict[str, float]) -> None:
        """Remember the losses of an update; a loss that is absent in a batch counts for none."""
        for name, value in losses.items():
            self._sums.setdefault(name, []).append(value)

    def mean(self, name: str) -> float:
        """Return the mean of a loss since the last :meth:`save`."""
        values = self._sums.get(name, [])
        return sum(values) / max(1, len(values))

    def save(self, step: int, average: MultiTaskNet, scores: dict[str, Any]) -> None:
        """Write everything; an interruption leaves the files of the last time."""
        self.history.append({'step': step, 'losses': {n: self.mean(n) for n in self._sums},
                             'scores': scores})
        self._sums = {}
        checkpoint = {name: part.state_dict() for name, part in self.parts.items()}
        partial = self.folder / 'checkpoint.pt.partial'
        torch.save({**checkpoint, 'step': step, 'history': self.history}, partial)
        save_model(average, self.folder / 'weights.safetensors')
        os.replace(partial, self.folder / 'checkpoint.pt')
        partial = self.folder / 'metrics.json.partial'
        partial.write_text(json.dumps(self.history, indent=1))
        os.replace(partial, self.folder / 'metrics.json')


def summarise(scores: dict[str, Any]) -> str:
    """Return the main figure of each task, and that of the person class, in one line."""
    figures = []
    for name, figure in (('detection', 'AP'), ('pose', 'AP'), ('segmentation', 'mIoU')):
        if name in scores:
            figures.append(f'{name} {figure} {scores[name][figure] or 0:.3f}')
            person = scores[name].get('per_class', {}).get('person')
            figures += [] if person is None else [f'(person {person:.3f})']
    return ' '.join(figures)


def _rate(step: int, config: TrainConfig) -> float:
    """Return the learning rate at an update relative to the highest: linear up, cosine down."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
