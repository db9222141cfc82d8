# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The settings of a training run, and what is wrong with them before anything is read or made."""

from dataclasses import dataclass, field
from typing import Literal

from mcn_ros.data.augment import AugmentConfig
from mcn_ros.learning.schedule import Schedule
from mcn_ros.model import LARGEST_SIDE, ModelConfig
from mcn_ros.tasks import build_tasks
from mcn_ros.trainer.objective import paper_weights


@dataclass(frozen=True)
class DatasetConfig:
    """
    A data set in COCO format.

    :param annotations: path of the JSON file.
    :param images: path of the image folder.
    :param weight: share of the drawn samples, relative to the other data sets; None: its size.
    :param tasks: what to learn from it, or score on it; None for all that it is labelled for.
    :param annotated_only: leave out the images of which the file has no annotation, as CenterNet
        does where it learns poses: those without people.
    """

    annotations: str
    images: str
    weight: float | None = None
    tasks: tuple[str, ...] | None = None
    annotated_only: bool = False

    def __post_init__(self):
        if self.weight is not None and self.weight < 0:
            raise ValueError(f'{self.annotations}: weight: {self.weight} is negative')


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
    :param neck_weights: checkpoint that the neck starts from, for one with public weights; None
        for random weights.
    :param initial_weights: weights file of this package that the trunk starts from, and the heads
        as far as they are in it; classes are matched by name. Or stream of the trunk (see
        :meth:`mcn_ros.network.trunks.Trunk.streams`) or task -> file that it starts from; tasks
        that are not named start from the file of their stream.
    :param frozen: beginnings of names of parameters that keep the weights they start from; their
        batch norms keep their statistics, too.
    :param fixed_statistics: beginnings of names of parts that learn, but whose batch norms keep
        their statistics, as pretrained ones better do where batches are small or unlike the data
        they are from.
    :param keep: name of a part of the trunk -> factor of a loss that keeps it answering what it
        answers at the start, while other parts learn, see :mod:`mcn_ros.trainer.retention`.
    :param keep_of: weights file of a network that these parts are to answer like, in place of
        what they answer at the start.
    :param teacher: weights file of this package whose maps are targets beside the labels, and on
        images that have none, see :mod:`mcn_ros.trainer.teacher`.
    :param teach: task -> factor of the loss that is the distance from the teacher's maps.
    :param train_size: (height, width) of the training crops in input pixels.
    :param augment: how samples are varied.
    :param on_unreadable_image: end the training there, or take another image in its place, warn
        and count.
    :param steps: number of batches; with none, the run holds the weights that it starts from, for
        example two networks joined in one, and their scores.
    :param batch_size: images per batch, over all processes together.
    :param switch_every: batches of one data set alone until it is the turn of the next one; 0: the
        images of a batch are of all of them, by their weights.
    :param optimizer: the rule of the updates; that of 'sgd' has a momentum of 0.9.
    :param learning_rate: at its highest.
    :param rates: beginning of parameter names -> learning rate relative to that of all else; the
        longest beginning counts. Below 1, a pretrained trunk.backbone keeps more of what it knows;
        above 1, layers whose results are large numbers of cells (heads.pose.maps.displacement)
        get there sooner, since the steps of Adam do not grow with the gradient.
    :param weight_decay: of the optimiser; stitches and gates between streams have none.
    :param warmup_steps: batches until the learning rate is at its highest.
    :param schedule: from there it falls as a cosine to zero, to a tenth at each milestone, or not.
    :param milestones: batches after which schedule 'step' goes down.
    :param effective_batches: 'trunk' and each task -> labelled images that an update of its
        parameters waits for, at its own pace (UberNet, table 1); empty: all of the network is
        updated after every batch.
    :param max_norm: the gradients of an update are scaled down to this norm; 0: they are not.
    :param ema_decay: share of the old in the running average of the weights, per batch; 0: the
        weights themselves are what is scored and written.
    :param loss_weights: 'task/loss' -> factor, in place of that of the paper.
    :param balance: how tasks are weighted against each other, see :mod:`mcn_ros.trainer.balance`.
    :param backward: one task at a time, in little memory, or all at once; with equal gradients.
    :param checkpoint_stages: compute activations of the trunk twice rather than keep them.
    :param workers: processes that prepare samples, per process of the training.
    :param seed: of initial weights, sample order and augmentation.
    :param device: 'auto', 'cpu', 'cuda' or 'cuda:N'; one GPU per process where there are several.
    :param precision: 'auto' (on a GPU bfloat16, or float16 where it has none; else float32),
        'float32', 'float16', 'bfloat16', or 'tf32' on a GPU.
    :param sync_batch_norm: the batch norms of the trunk see the images of all processes, for
        batches that are small in each of them. Alone, a process has all images anyway.
    :param save_every: batches between checkpoints.
    :param validate_every: batches between scores.
    :param overlays: validation images that are drawn with what is predicted, at each scoring.
    :param cache: folder for what is read again and again: pixels of training images, decoded and
        as small as training can use them, and annotations; see docs/data.md.
    :param graduated_sides: the losses of the scales of a trunk of kind skip count less after every
        batch, from ``side_weight`` of their task down to nothing; otherwise that all along.
    :raises ValueError: for values that make no sense, each with its name and what is possible.
    """

    run: str
    model: ModelConfig
    datasets: tuple[DatasetConfig, ...]
    validation: DatasetConfig | None = None
    backbone_weights: str | None = None
    neck_weights: str | None = None
    initial_weights: str | dict[str, str] | None = None
    frozen: tuple[str, ...] = ()
    fixed_statistics: tuple[str, ...] = ()
    keep: dict[str, float] = field(default_factory=dict)
    keep_of: str | None = None
    teacher: str | None = None
    teach: dict[str, float] = field(default_factory=dict)
    train_size: tuple[int, int] = (512, 512)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    on_unreadable_image: Literal['stop', 'skip'] = 'stop'
    steps: int = 10000
    batch_size: int = 16
    switch_every: int = 0
    optimizer: Literal['adamw', 'adam', 'sgd'] = 'adamw'
    learning_rate: float = 1e-3
    rates: dict[str, float] = field(default_factory=dict)
    weight_decay: float = 1e-4
    warmup_steps: int = 500
    schedule: Schedule = 'cosine'
    milestones: tuple[int, ...] = ()
    effective_batches: dict[str, int] = field(default_factory=dict)
    max_norm: float = 35.0
    ema_decay: float = 0.999
    loss_weights: dict[str, float] = field(default_factory=dict)
    balance: Literal['fixed', 'uncertainty', 'gradient_norm'] = 'fixed'
    backward: Literal['taskwise', 'joint'] = 'taskwise'
    checkpoint_stages: bool = False
    workers: int = 2
    seed: int = 0
    device: str = 'auto'
    precision: str = 'auto'
    save_every: int = 500
    validate_every: int = 2000
    overlays: int = 8
    sync_batch_norm: bool = False
    cache: str | None = None
    graduated_sides: bool = False

    def __post_init__(self):
        for name in ('batch_size', 'save_every', 'validate_every'):
            if not getattr(self, name) > 0:
                raise ValueError(f'{name}: {getattr(self, name)} is not positive')
        for name in ('steps', 'workers', 'warmup_steps', 'overlays', 'seed', 'max_norm',
                     'switch_every'):
            if not getattr(self, name) >= 0:
                raise ValueError(f'{name}: {getattr(self, name)} is negative')
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f'ema_decay: {self.ema_decay} is not in 0..1, 1 excluded')
        if not self.datasets:
            raise ValueError('datasets: none given')
        if not any(data.weight is None or data.weight for data in self.datasets):
            raise ValueError('datasets: all have the weight 0: nothing would be drawn')
        weighted = [data.annotations for data in self.datasets if data.weight is not None]
        if self.switch_every and weighted:
            raise ValueError(f'switch_every: {weighted[0]} has a weight, but data sets that take '
                             'turns are drawn from equally often')
        if any(side <= 0 or side % 32 for side in self.train_size):
            raise ValueError(f'train_size: {self.train_size} are no positive multiples of 32')
        if max(self.train_size) > LARGEST_SIDE:
            raise ValueError(f'train_size: {self.train_size} are not all up to {LARGEST_SIDE}')
        if bool(self.milestones) != (self.schedule == 'step'):
            raise ValueError(f'milestones: {self.milestones or "none"} with schedule '
                             f'{self.schedule}, but schedule step needs them, and no other does')
        self._check_tasks()

    def _check_tasks(self):
        """Check the settings that are by task or loss."""
        tasks = build_tasks(self.model.tasks)
        _check_keys('loss_weights', self.loss_weights, tuple(paper_weights(tasks)))
        for data in (*self.datasets, *filter(None, [self.validation])):
            _check_keys(f'tasks of {data.annotations}', data.tasks or (), tuple(tasks))
        if self.keep and self.effective_batches:
            raise ValueError('keep: not together with effective_batches: the updates of the trunk '
                             'would wait for labelled images, of which keep needs none')
        if self.keep_of and not self.keep:
            raise ValueError('keep_of: without keep, which says what part is to answer like it')
        if self.keep and self.sync_batch_norm:
            raise ValueError('keep: not together with sync_batch_norm: it runs parts of the trunk '
                             'by themselves')
        _check_keys('teach', self.teach,
                    tuple(name for name, task in tasks.items() if task.teachable))
        if bool(self.teacher) != bool(self.teach):
            raise ValueError('teacher, teach: one says who teaches, the other which tasks: '
                             'neither is of use alone')
        _check_keys('augment.focus', self.augment.focus, tuple(tasks))
        owners = ('trunk', *tasks)
        _check_keys('effective_batches', self.effective_batches, owners)
        missing = [name for name in owners if name not in self.effective_batches]
        if self.effective_batches and missing:
            raise ValueError(f'effective_batches: {", ".join(missing)} missing '
                             f'(needed: {", ".join(owners)})')
        for name, count in self.effective_batches.items():
            if count < 1:
                raise ValueError(f'effective_batches.{name}: {count} is not positive')


def _check_keys(setting: str, keys, known: tuple[str, ...]) -> None:
    unknown = [key for key in keys if key not in known]
    if unknown:
        raise ValueError(f'{setting}: unknown {", ".join(unknown)} (known: {", ".join(known)})')
