# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The training loop, top to bottom: :func:`_train` is the loop, :func:`_update` what a batch changes.

It runs in one process, or in several that torchrun starts: then each takes its share of every
batch and of the images of the validation, and process 0 alone writes and shows progress.
"""

from contextlib import closing, nullcontext
from pathlib import Path
import sys
from typing import Any, Mapping, Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from mcn_ros.data.batch import Batch
from mcn_ros.data.coco import CocoDataset
from mcn_ros.evaluation.dataset import evaluate
from mcn_ros.evaluation.scorers import score_text
from mcn_ros.learning.schedule import relative_rate
from mcn_ros.learning.stop_request import StopRequest
from mcn_ros.model import MultiTaskNet
from mcn_ros.runtime import Predictor, RuntimeConfig
from mcn_ros.runtime.backends import TF32
from mcn_ros.runtime.cudnn import cudnn_settings
from mcn_ros.tasks import Task
from mcn_ros.trainer.config import TrainConfig
from mcn_ros.trainer.distributed import Ranks
from mcn_ros.trainer.finite import finite_statistics
from mcn_ros.trainer.labels import check_labels
from mcn_ros.trainer.learner import Learner
from mcn_ros.trainer.loader import load_batches, load_samples, loader_error, open_dataset
from mcn_ros.trainer.monitor import Monitor
from mcn_ros.trainer.owners import set_train_mode
from mcn_ros.trainer.run import holds_run, RunFolder
from mcn_ros.trainer.sides import Sides
from mcn_ros.trainer.step import backward
from mcn_ros.trainer.transfer import build_model, start_from_weights

LOG_EVERY = 10  # batches between points of TensorBoard


def train(config: TrainConfig, resume: bool = False) -> dict[str, Any]:
    """
    Train a network, or go on with the training that the folder holds.

    :param config: the run; its folder is made, or has the same configuration.
    :param resume: go on from the checkpoint in the folder, which was made with the same
        configuration or one that differs in what may change.
    :return: the last scores on the validation set, as `evaluate` gives them.
    :raises ValueError: for bad configuration or data, and for a folder that holds another run.
    :raises OSError: if the disk is full, processes that prepare samples are killed, hang or have
        too little shared memory, or another process of the training is gone; what was saved
        before is unchanged.
    :raises FloatingPointError: when losses or gradients are not finite; names the images.
    :raises KeyboardInterrupt: after SIGINT or SIGTERM, once the batch is done and all is saved.
    """
    with (Ranks(config.device) as ranks,
          cudnn_settings(config.precision == TF32, fixed_size=True)):
        try:
            return _train(config, resume or holds_run(config), ranks)
        except RuntimeError as error:
            problem = loader_error(error)
            if problem is None:
                raise
            raise problem from error.with_traceback(None)


def _train(config: TrainConfig, resume: bool, ranks: Ranks) -> dict[str, Any]:
    """Run the loop: a batch, its update, and now and then a validation and a checkpoint."""
    learner = Learner(config, _start_model(config, resume, ranks), ranks)
    datasets, validation = _open_datasets(config, learner.model.tasks, ranks)
    samples = load_samples(config, datasets)
    run = RunFolder(Path(config.run), learner.parts)
    first = run.resume() if resume else run.start()
    _check_shared(run, first, ranks)  # none writes before all have looked
    sides = Sides(learner.model) if config.graduated_sides else None
    writes, scores = ranks.leads, {}
    if writes:
        run.describe(config)
        if resume:
            print(f'{run.folder}: goes on after {first} of {config.steps} batches',
                  file=sys.stderr)
    monitored = (closing(Monitor(run.folder, learner.model.tasks, first)) if writes
                 else nullcontext())
    with (closing(load_batches(config, learner.model.tasks, samples, first, ranks)) as batches,
          monitored as monitor, StopRequest() as stop,
          tqdm(total=config.steps, initial=first, unit='batch', dynamic_ncols=True,
               disable=not writes) as bar):
        if first == config.steps == 0:  # the weights that it starts from are the result
            scores = _validate(learner, validation, 0, monitor, bar)
            if writes:
                _store(learner, run, 0, scores, monitor)
        for step in range(first + 1, config.steps + 1):
            batch = next(batches)
            labelled = learner.objective.count(batch)
            batch = batch.to(ranks.device, non_blocking=True)
            rate = _relative_rate(step, config)
            if sides:
                sides.weigh(1 - (step - 1) / config.steps)
            losses = _update(learner, batch, labelled, rate)
            stop_requests, unreadable = ranks.sum_counts(stop.asked, len(batch.unreadable))
            run.log(losses, unreadable)
            bar.update()
            last = step == config.steps
            if writes and (last or step % LOG_EVERY == 0):
                bar.set_postfix_str(f'loss {run.means().get("total", 0):.3f}', refresh=False)
                monitor.losses(step, {name: float(value) for name, value in losses.items()},
                               rate * config.learning_rate)

            validates = last or step % config.validate_every == 0
            records = validates or step % config.save_every == 0
            if not (records or stop_requests):
                continue
            learner.finite.check()  # what is saved is sound
            learner.gather()
            scores = _validate(learner, validation if validates else None, step, monitor, bar)
            if writes:
                _store(learner, run, step, scores, monitor, records)
            ranks.barrier()
            if stop_requests and not last:
                bar.write(f'stopped after step {step}; go on with: train --resume {run.folder}',
                          sys.stderr)
                raise KeyboardInterrupt
    return scores


def _relative_rate(step: int, config: TrainConfig) -> float:
    """Return the learning rate of a batch, counted from 1, relative to the highest."""
    return relative_rate(step - 1, config.steps, config.warmup_steps, config.schedule,
                         config.milestones)


def _update(learner: Learner, batch: Batch, labelled: Mapping[str, int], rate: float,
            ) -> dict[str, Tensor]:
    """
    Learn from a batch: losses, gradients, a step of the optimisers, the average of the weights.

    :param batch: the part of this process.
    :param labelled: how many of its images are, see
        :meth:`mcn_ros.trainer.objective.Objective.count`.
    :param rate: learning rate relative to the highest.
    :return: the losses of the joint batch, not weighted, and their weighted 'total'.
    """
    config, owners = learner.config, learner.owners
    set_train_mode(learner.model, config.frozen + config.fixed_statistics)
    weights = learner.objective.weigh(batch, labelled)
    with finite_statistics(learner.model) if learner.scaler.is_enabled() else nullcontext():
        losses = backward(
            learner.model, batch, weights.local(per_image=owners.asynchronous),
            scaler=learner.scaler, amp=learner.amp, joint=config.backward == 'joint',
            checkpoint=config.checkpoint_stages, retention=learner.retention,
            teacher=learner.teacher, everywhere=learner.everywhere(weights.labelled),
            finite=learner.finite)
    owners.count(weights.labelled)
    owners.step(learner.scaler, rate, learner.finite)
    learner.average.update(learner.model)
    return learner.objective.reduce(losses, weights)


def _validate(learner: Learner, validation: CocoDataset | None, step: int,
              monitor: Monitor | None, bar: tqdm) -> dict[str, Any]:
    """
    Score the averaged weights, and show what they see in some images; all processes call it.

    :param monitor: None in all processes but the first.
    :return: the scores; {} without a validation, and in all processes but the first.
    """
    if validation is None:
        return {}
    model = learner.average.module
    # Other weights each time: they are not worth compiling.
    predictor = Predictor(model.eval(), RuntimeConfig(str(learner.ranks.device), 'torch'))
    scores = evaluate(predictor, validation, progress=False, each=learner.ranks.share)
    if monitor is None:
        return {}
    monitor.scores(step, scores)
    samples = [validation[index] for index in range(min(learner.config.overlays, len(validation)))]
    if samples:
        monitor.overlays(step, samples, [predictor(sample.image) for sample in samples])
    bar.write(f'step {step}: {summarise(scores, model.tasks)}')
    return scores


def _store(learner: Learner, run: RunFolder, step: int, scores: Mapping[str, Any],
           monitor: Monitor, records: bool = True) -> None:
    """
    Write all that has been learned.

    :param scores: of the validation, {} if there was none.
    :param records: make an entry of the history.
    """
    if records:
        rate = _relative_rate(max(1, step), learner.config)
        run.record(step, scores, rate * learner.config.learning_rate)
    run.save(step, learner.average.module)
    if records:
        monitor.curves(run.history)


def _check_shared(run: RunFolder, first: int, ranks: Ranks) -> None:
    """Refuse a folder that is another one for some of the processes; they wait for each other."""
    total, = ranks.sum_counts(first)
    if total != first * ranks.world:
        raise ValueError(f'{run.folder}: other processes go on from another batch than {first}: '
                         'the folder has to be one that all machines share')


def _open_datasets(config: TrainConfig, tasks: Mapping[str, Task], ranks: Ranks,
                   ) -> tuple[Sequence[CocoDataset], CocoDataset | None]:
    """Return the data sets to learn from, and that of the validation; warn of missing labels."""
    datasets = [open_dataset(dataset, tasks, config.cache) for dataset in config.datasets]
    validation = config.validation and open_dataset(config.validation, tasks, config.cache)
    warnings = check_labels(config, tasks, datasets)
    if ranks.leads:
        sys.stderr.writelines(f'warning: {warning}\n' for warning in warnings)
    return datasets, validation


def _start_model(config: TrainConfig, resume: bool, ranks: Ranks) -> MultiTaskNet:
    """Return the network with the weights that it starts from."""
    torch.manual_seed(config.seed)
    model = build_model(config)
    # A checkpoint has all weights, and how they started may be gone.
    if config.initial_weights and not resume:
        lines = start_from_weights(model, config.initial_weights)
        if ranks.leads:
            print('\n'.join(lines), file=sys.stderr)
    return model


def summarise(scores: Mapping[str, Any], tasks: Mapping[str, Task]) -> str:
    """Return the main figure of each task, and that of the person class, in one line."""
    figures = []
    for name, task in tasks.items():
        if name in scores:
            figures.append(f'{name} {task.figure} {score_text(scores[name][task.figure])}')
            person = scores[name].get('per_class', {}).get('person')
            figures += [] if person is None else [f'(person {person:.3f})']
    return ' '.join(figures)
