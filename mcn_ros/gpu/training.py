# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Training steps on a device, in each precision: that they learn, and what they take."""

from collections.abc import Iterator
import time
import warnings

import numpy as np
import torch

from mcn_ros.benchmark.architectures import build_network
from mcn_ros.benchmark.memory import peak_memory
from mcn_ros.data.batch import Batch, collate
from mcn_ros.gpu.finding import Finding
from mcn_ros.model import ModelConfig
from mcn_ros.structures import ClassMap, Instances, Poses, Sample
from mcn_ros.trainer.config import DatasetConfig, TrainConfig
from mcn_ros.trainer.distributed import Ranks
from mcn_ros.trainer.learner import Learner
from mcn_ros.trainer.owners import set_train_mode
from mcn_ros.trainer.step import backward

PRECISIONS = {'cuda': ('float32', 'tf32', 'bfloat16', 'float16'), 'cpu': ('float32', 'bfloat16')}
STEPS = 12
# The loss is to fall to this share of its beginning, on the same images.
SHARE = 0.8


def check(name: str, config: ModelConfig, device: torch.device, count: int) -> Iterator[Finding]:
    """
    Train a network for a few steps on one batch.

    :param name: of the network.
    :param config: of a network whose tasks learn from boxes, people or classes of pixels.
    :param count: images of the batch.
    """
    for precision in PRECISIONS[device.type]:
        subject = f'{name}, {precision}, {count} images'
        try:
            yield _train(subject, config, device, precision, count)
        # Whatever a driver may raise: the others are to be looked at, too.
        except Exception as error:
            yield Finding('training', subject, False, f'{type(error).__name__}: '
                          f'{" ".join(str(error).split())[:300]}')


def _train(subject: str, config: ModelConfig, device: torch.device, precision: str,
           count: int) -> Finding:
    settings = TrainConfig('none', config, (DatasetConfig('none', 'none'),), batch_size=count,
                           precision=precision, device=str(device), learning_rate=2e-3)
    learner = Learner(settings, build_network(config), Ranks(str(device)))
    host = noise_batch(learner.model.tasks, config.input_size, count)
    labelled, batch = learner.objective.count(host), host.to(device)
    totals, seconds = [], []

    def step() -> None:
        start = time.perf_counter()
        totals.append(_step(learner, batch, labelled))
        seconds.append(time.perf_counter() - start)

    step()
    peak = peak_memory(step, device)
    waits = _waits(step, device)
    for _ in range(STEPS - 3):
        step()
        _synchronise(device)
    learner.finite.check()
    first, last = (float(torch.stack(values).nanmean()) for values in (totals[:2], totals[-2:]))
    finite = all(value.isfinite().all() for value in learner.average.module.state_dict().values())
    return Finding('training', subject, finite and last < SHARE * first,
                   f'loss {first:.3g} to {last:.3g} (at most {SHARE:.0%}) in {STEPS} steps; '
                   f'{1000 * np.median(seconds[3:]):.1f} ms and {peak / 2**20:.0f} MiB of '
                   f'activations a step{waits}')


def _step(learner: Learner, batch: Batch, labelled: dict[str, int]) -> torch.Tensor:
    set_train_mode(learner.model, ())
    weights = learner.objective.weigh(batch, labelled)
    losses = backward(learner.model, batch, weights.local(), scaler=learner.scaler,
                      amp=learner.amp, finite=learner.finite)
    learner.owners.count(weights.labelled)
    learner.owners.step(learner.scaler, 1.0, learner.finite)
    learner.average.update(learner.model)
    return learner.objective.reduce(losses, weights)['total']


def _waits(step, device: torch.device) -> str:
    """Return how often a step waits for a GPU, in words."""
    if device.type != 'cuda':
        step()
        return ''
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            step()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    return f', {sum("synchroniz" in str(warning.message) for warning in caught)} waits'


def _synchronise(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def noise_batch(tasks, size: tuple[int, int], count: int) -> Batch:
    """Return images of noise that are labelled with boxes, people and classes of pixels."""
    rng, samples = np.random.default_rng(0), []
    height, width = size
    for index in range(count):
        corners = rng.uniform(0, 0.5, (4, 2)) * (width, height)
        boxes = np.hstack([corners, corners + rng.uniform(0.2, 0.4, (4, 2)) * (width, height)])
        points = corners[:, None] + rng.uniform(0, 0.2, (4, 17, 2)) * (width, height)
        ones, classes = np.ones(4, np.float32), rng.integers(0, 3, 4)
        annotations = {
            Instances: Instances(boxes.astype(np.float32), classes, ones),
            Poses: Poses(boxes.astype(np.float32), ones, points.astype(np.float32),
                         np.ones((4, 17), np.float32)),
            ClassMap: ClassMap(np.kron(rng.integers(0, 3, (4, 4)), np.ones(
                (height // 4, width // 4))).astype(np.uint8))}
        samples.append(Sample(rng.integers(0, 256, (height, width, 3), np.uint8), {
            name: annotations[task.annotation] for name, task in tasks.items()},
            f'noise {index}'))
    return collate(samples, tasks)
