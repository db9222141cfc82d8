# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The training loop, top to bottom.

It runs in one process, or in several that torchrun starts: then each takes its share of every
batch, and process 0 alone writes, scores and shows progress.
"""

from contextlib import closing, nullcontext
from pathlib import Path
import sys
from typing import Any, Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.union import TrainingSet, Union
from mcn_ros.evaluation.dataset import evaluate
from mcn_ros.evaluation.scorers import score_text
from mcn_ros.geometry import RESAMPLINGS
from mcn_ros.model import MultiTaskNet
from mcn_ros.network.backbones.pretrained import load_backbone, load_neck
from mcn_ros.runtime.backends import pick_precision
from mcn_ros.runtime.predictor import Predictor
from mcn_ros.tasks import build_tasks, Task
from mcn_ros.trainer.balance import build_balance
from mcn_ros.trainer.config import DatasetConfig, TrainConfig
from mcn_ros.trainer.distributed import Ranks
from mcn_ros.trainer.keep import Keep
from mcn_ros.trainer.labels import check_labels
from mcn_ros.trainer.loader import load_batches, loader_error
from mcn_ros.trainer.monitor import Monitor
from mcn_ros.trainer.owners import Owners, set_train_mode
from mcn_ros.trainer.run import Run
from mcn_ros.trainer.schedule import relative_rate
from mcn_ros.trainer.settings import Settings
from mcn_ros.trainer.step import backward, paper_weights
from mcn_ros.trainer.stop import Stop
from mcn_ros.trainer.teacher import Teacher
from mcn_ros.trainer.transfer import start_from_detector, start_from_weights

LOG_EVERY = 10  # batches between points of TensorBoard


def train(config: TrainConfig, resume: bool = False) -> dict[str, Any]:
    """
    Train a network.

    :param config: the run; its folder is made.
    :param resume: go on from the checkpoint in the folder.
    :return: the last scores on the validation set, as `evaluate` gives them.
    :raises ValueError: for bad configuration or data, and for a folder that holds another run.
    :raises OSError: if the disk is full, or processes that prepare samples are killed, hang or
        have too little shared memory; what was saved before is unchanged.
    :raises FloatingPointError: when losses or gradients are not finite; names the images.
    :raises KeyboardInterrupt: after SIGINT or SIGTERM, once the batch is done and all is saved.
    """
    with closing(Ranks(config.device)) as ranks:
        try:
            return _train(config, resume, ranks)
        except RuntimeError as error:
            problem = loader_error(error)
            if problem is None:
                raise
            raise problem from error.with_traceback(None)


def _train(config: TrainConfig, resume: bool, ranks: Ranks) -> dict[str, Any]:
    dtype = pick_precision(config.precision, ranks.device)
    amp = None if dtype == torch.float32 else dtype
    tasks = build_tasks(config.model.tasks)
    datasets = [open_dataset(dataset, tasks) for dataset in config.datasets]
    validation = config.validation and open_dataset(config.validation, tasks)
    warnings = check_labels(config, tasks, datasets)
    if ranks.rank == 0:
        sys.stderr.writelines(f'warning: {warning}\n' for warning in warnings)
    torch.manual_seed(config.seed)
    model = build_model(config)
    # A checkpoint has all weights, and how they started may be gone.
    if config.initial_weights and not resume:
        told = start_from_weights(model, config.initial_weights)
        if ranks.rank == 0:
            print('\n'.join(told), file=sys.stderr)
    model = model.to(device=ranks.device, memory_format=torch.channels_last)
    ranks.broadcast(model)
    average = AveragedModel(model, avg_fn=running_average(config.ema_decay), use_buffers=True)
    scaler = torch.amp.GradScaler(ranks.device.type, enabled=amp == torch.float16)
    owners = Owners(model, config, ranks)
    loss_weights = {**paper_weights(model.tasks), **config.loss_weights}
    names = tuple(loss_weights)
    balance = build_balance(config.balance, loss_weights, model, ranks, scaler)
    keep = Keep(model, config.keep) if config.keep else None
    teacher = Teacher(config.teacher, config.teach, model) if config.teacher else None
    extra = {**(keep.weights if keep else {}), **(teacher.weights if teacher else {})}
    samples = load_samples(config, datasets)

    # First the settings: they say why a state does not fit better than the states do.
    parts = {'settings': Settings(config), 'model': model, 'average': average, 'owners': owners,
             'scaler': scaler, 'balance': balance}
    run = Run(Path(config.run), {**parts, 'keep': keep} if keep else parts)
    first = run.resume() if resume else run.start()
    ranks.barrier()  # none writes before all have looked
    writes = ranks.rank == 0
    if writes:
        run.describe(config)
    monitored = closing(Monitor(run.folder, model.tasks, first)) if writes else nullcontext()

    scores = {}
    with (closing(load_batches(config, model.tasks, samples, first, ranks)) as batches,
          monitored as monitor, Stop() as stop,
          tqdm(total=config.steps, initial=first, unit='batch', dynamic_ncols=True,
               disable=not writes) as bar):
        for step in range(first + 1, config.steps + 1):
            batch = next(batches).to(ranks.device, non_blocking=True)
            set_train_mode(model, config.frozen + config.fixed_statistics)
            rows, shares = ranks.join(batch, model.tasks, names)
            factors = {**balance.weights(), **extra}
            shares |= dict.fromkeys(extra, 1 / ranks.world)
            weights = owners.weigh({n: w * shares[n] for n, w in factors.items()}, rows)
            losses = backward(model, batch, weights, scaler=scaler, amp=amp,
                              joint=config.backward == 'joint',
                              checkpoint=config.checkpoint_stages, keep=keep, teacher=teacher)
            owners.add(rows)
            rate = relative_rate(step - 1, config)
            try:
                owners.step(scaler, rate)
            except FloatingPointError as error:
                raise FloatingPointError(f'{error}; images {", ".join(batch.ids)}') from error
            average.update_parameters(model)
            own = {name: value * shares[name] for name, value in losses.items()}
            told = {'stop': stop.asked, 'unreadable': len(batch.unreadable)}
            sums = ranks.sum_counts({**own, **told}, [*names, *extra, *told])
            losses = {name: sums[name] for name in names if rows[name.partition('/')[0]]}
            balance.observe(losses)
            losses |= {name: sums[name] for name in extra if rows.get(name.partition('/')[0], 1)}
            if losses:
                losses['total'] = sum(factors[name] * value for name, value in losses.items())
            run.log(losses, int(sums['unreadable']))
            bar.update()
            last, stopped = step == config.steps, bool(sums['stop'])
            if writes and (last or step % LOG_EVERY == 0):
                bar.set_postfix_str(f'loss {run.means().get("total", 0):.3f}', refresh=False)
                monitor.losses(step, {name: float(value) for name, value in losses.items()},
                               rate * config.learning_rate)

            validates = last or step % config.validate_every == 0
            records = validates or step % config.save_every == 0
            if not (records or stopped):
                continue
            owners.collect()
            ranks.average_buffers(model)
            ranks.average_buffers(average.module)
            if writes:
                scores = {}
                if validation and validates:
                    scores = _validate(average.module, validation, config, step, ranks, monitor)
                    bar.write(f'step {step}: {summarise(scores, model.tasks)}')
                if records:
                    run.record(step, scores, rate * config.learning_rate)
                run.save(step, average.module)
                if records:
                    monitor.curves(run.history)
            ranks.barrier()
            if stopped and not last:
                bar.write(f'stopped after step {step}; go on with: train --resume {run.folder}',
                          sys.stderr)
                raise KeyboardInterrupt
    return scores


def _validate(model: MultiTaskNet, validation: CocoDataset, config: TrainConfig, step: int,
              ranks: Ranks, monitor: Monitor) -> dict[str, Any]:
    """Score the averaged weights, show what they see in some images; return the scores."""
    # Other weights each time: they are not worth compiling.
    predictor = Predictor(model.eval(), str(ranks.device), 'torch')
    scores = evaluate(predictor, validation, progress=False)
    monitor.scores(step, scores)
    shown = [validation[index] for index in range(min(config.overlays, len(validation)))]
    if shown:
        monitor.overlays(step, shown, [predictor(sample.image) for sample in shown])
    return scores


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
    """Build the network of a run, with pretrained parts."""
    model = MultiTaskNet(config.model)
    for trunk in model.trunk.members.values():
        if config.backbone_weights:
            load_backbone(trunk.backbone, config.backbone_weights)
        if config.neck_weights:
            load_neck(trunk.neck, config.neck_weights)
    if config.neck_weights:
        start_from_detector(model)
    return model


def load_samples(config: TrainConfig, datasets: Sequence[CocoDataset]) -> TrainingSet:
    """Return the augmented samples of all data sets."""
    union = Union(datasets, [len(dataset) if d.weight is None else d.weight
                             for d, dataset in zip(config.datasets, datasets)])
    return TrainingSet(union, config.train_size, config.augment, config.seed,
                       RESAMPLINGS[config.model.preprocessing])


def open_dataset(config: DatasetConfig, tasks: Mapping[str, Task]) -> CocoDataset:
    """
    Return a data set, labelled for those of the tasks that it is for.

    :raises ValueError: if its files are missing or malformed, or it has no image.
    """
    wanted = {name: task for name, task in tasks.items()
              if config.tasks is None or name in config.tasks}
    dataset = CocoDataset(config.annotations, config.images, wanted)
    if not len(dataset):
        raise ValueError(f'{config.annotations}: has no images')
    return dataset


def summarise(scores: Mapping[str, Any], tasks: Mapping[str, Task]) -> str:
    """Return the main figure of each task, and that of the person class, in one line."""
    figures = []
    for name, task in tasks.items():
        if name in scores:
            figures.append(f'{name} {task.figure} {score_text(scores[name][task.figure])}')
            person = scores[name].get('per_class', {}).get('person')
            figures += [] if person is None else [f'(person {person:.3f})']
    return ' '.join(figures)
