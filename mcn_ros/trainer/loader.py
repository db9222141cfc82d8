# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Data sets, the batches that other processes prepare of them, and how those processes can fail.

A batch comes through shared memory, of which containers have little. PyTorch moves it there in a
thread whose errors lose the batch, which is then waited for without end; so each process does that
itself, where an error is one of the training.
"""

from dataclasses import replace
from functools import partial
import multiprocessing
from multiprocessing.process import BaseProcess
import shutil
import signal
import sys
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

import cv2
import torch
from torch.utils.data import DataLoader, get_worker_info
from tqdm import tqdm

from mcn_ros.data.augment import least_reduction
from mcn_ros.data.batch import Batch, collate
from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.image_cache import ImageCache
from mcn_ros.data.pending_image import PendingImage, whole_reduction
from mcn_ros.data.union import AugmentedSample, RankBatchSampler, Sampler, TrainingSet, Union
from mcn_ros.geometry import RESAMPLINGS, Size
from mcn_ros.structures import Sample
from mcn_ros.tasks import Task
from mcn_ros.trainer.config import DatasetConfig, TrainConfig
from mcn_ros.trainer.distributed import Ranks

PATIENCE = 600  # seconds that a batch may take, as on a slow network drive
AHEAD = 2  # batches that each process prepares before they are asked for
SHARED_MEMORY = '/dev/shm'
TIMED_OUT = 'DataLoader timed out'  # the beginning of what PyTorch says
REMEDY = ('a larger /dev/shm (docker run --shm-size=4g), fewer workers, or workers=0, which needs '
          'none')


def load_samples(config: TrainConfig, datasets: Sequence[CocoDataset]) -> TrainingSet:
    """Return the augmented samples of all data sets; ValueError for a cache that is none."""
    resampling = RESAMPLINGS[config.model.preprocessing]
    least = partial(least_reduction, target=config.train_size, config=config.augment,
                    resampling=resampling)
    cache = None if config.cache is None else ImageCache(config.cache)
    union = Union([PendingSamples(dataset, cache, least) for dataset in datasets],
                  [len(dataset) if d.weight is None else d.weight
                   for d, dataset in zip(config.datasets, datasets)])
    return TrainingSet(union, config.train_size, config.augment, config.seed, resampling)


class PendingSamples:
    """
    A data set whose images are read when a view of them is known.

    :param dataset: the samples.
    :param cache: of their pixels, None for none.
    :param least: (height, width) of an image -> the reduction that every view of it can have.
    """

    def __init__(self, dataset: CocoDataset, cache: ImageCache | None,
                 least: Callable[[Size], float]):
        self.dataset, self.cache, self.least = dataset, cache, least

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample with a :class:`PendingImage`; ValueError for an unreadable map."""
        dataset, record = self.dataset, self.dataset.file.records[index]
        image = PendingImage(dataset.path(index), (*record.size, 3), partial(dataset.read, index),
                             self.cache, whole_reduction(self.least(record.size)))
        return Sample(image, dataset.annotations[record.image_id], str(image.path))


def open_dataset(config: DatasetConfig, tasks: Mapping[str, Task], cache: str | None = None,
                 ) -> CocoDataset:
    """Return a data set with the labels of its tasks; ValueError if it is malformed or empty."""
    wanted = {name: task for name, task in tasks.items()
              if config.tasks is None or name in config.tasks}
    dataset = CocoDataset(config.annotations, config.images, wanted, cache)
    if config.annotated_only:
        dataset.file = replace(dataset.file, records=tuple(
            record for record in dataset.file.records if len(record.categories)))
    if not len(dataset):
        raise ValueError(f'{config.annotations}: has no images')
    return dataset


def load_batches(config: TrainConfig, tasks: Mapping[str, Task], samples: TrainingSet, first: int,
                 ranks: Ranks) -> Iterator[Batch]:
    """
    Yield this process's share of the batches after ``first``.

    :raises ValueError: for a batch that cannot be shared, and for an image that cannot be read
        if that is to stop the training; otherwise its name is printed.
    :raises OSError: where there is not enough shared memory.
    :raises RuntimeError: for other errors of the loader, see :func:`loader_error`.
    """
    draws = Sampler(samples.dataset, config.seed, first * config.batch_size,
                    config.steps * config.batch_size, config.switch_every * config.batch_size)
    loader = DataLoader(
        samples, batch_sampler=RankBatchSampler(draws, config.batch_size, ranks.rank, ranks.world),
        collate_fn=partial(_collate, tasks=tasks), num_workers=config.workers,
        worker_init_fn=_start_worker, pin_memory=ranks.device.type == 'cuda',
        prefetch_factor=AHEAD if config.workers else None,
        timeout=PATIENCE if config.workers else 0,
        # Of its own, so that a training that goes on has the random numbers of one that did not
        # stop.
        generator=torch.Generator())
    return _readable(loader, config.on_unreadable_image == 'skip')


def loader_error(error: RuntimeError) -> OSError | None:
    """
    Return in one line what happened to a process that prepares samples, None if nothing did.

    The loader raises such an error wherever the training just is, in the handler of a signal.
    """
    text = ' '.join(str(error).split())
    if text.startswith(TIMED_OUT):
        return TimeoutError(f'no batch has come for {PATIENCE} s: the processes that prepare '
                            'samples hang, or the images are on a drive that does not answer; '
                            'workers=0 prepares them in the process that trains')
    if text.startswith('DataLoader worker'):
        return ChildProcessError(f'a process that prepares samples has ended: {text} Where memory '
                                 f'is short, what helps is {REMEDY}')
    if text.startswith('Too many open files'):
        return OSError(f'too many open files (ulimit -n): what helps is a higher limit, fewer '
                       f'workers, or workers=0: {text}')
    return None


def _readable(loader: DataLoader, skip: bool) -> Iterator[Batch]:
    others = set(multiprocessing.active_children())
    try:
        for batch in loader:
            for reason in batch.unreadable:
                if not skip:
                    raise ValueError(reason)
                tqdm.write(f'skipped: {reason}', sys.stderr)
            yield batch
    except Exception as error:
        if str(error).startswith(TIMED_OUT):
            _kill(set(multiprocessing.active_children()) - others)
        # Frames of the loader, kept by whoever keeps the error, would keep its workers.
        error = error.with_traceback(None)
        kind = next((kind for kind in (ValueError, OSError) if isinstance(error, kind)), None)
        if kind is None:
            raise error
        raise kind(_message(error)) from error


def _kill(workers: Iterable[BaseProcess]) -> None:
    """End processes that hang, perhaps where no other signal reaches them: exits wait for them."""
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # that of the loader would object
    for worker in workers:
        worker.kill()
        worker.join()
    signal.signal(signal.SIGCHLD, handler)


def _message(error: Exception) -> str:
    """Return the message of an error, also of one that a worker has put its traceback before."""
    return str(error).strip().rpartition('\n')[2].removeprefix(f'{type(error).__name__}: ')


def _collate(views: Sequence[AugmentedSample], tasks: Mapping[str, Task]) -> Batch:
    unreadable = tuple(reason for view in views for reason in view.unreadable)
    batch = replace(collate([view.sample for view in views], tasks), unreadable=unreadable)
    return batch if get_worker_info() is None else _to_shared_memory(batch)


def _to_shared_memory(batch: Batch) -> Batch:
    """Move a batch to shared memory; OSError if it does not fit there."""
    try:
        return batch.share_memory()
    except RuntimeError as error:
        workers = get_worker_info().num_workers
        total = shutil.disk_usage(SHARED_MEMORY).total
        raise OSError(
            f'{SHARED_MEMORY} ({total / 1e6:.0f} MB) is too small for up to '
            f'{workers * AHEAD + 1} batches of {batch.num_bytes / 1e6:.0f} MB, which {workers} '
            f'workers prepare: what helps is {REMEDY} ({" ".join(str(error).split())})') from error


def _start_worker(_: int) -> None:
    """Leave the processors to the other workers, and Ctrl-C to the process that trains."""
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _spare_once)


def _spare_once(number: int, _: Any) -> None:
    """
    Obey a signal the second time.

    A first SIGTERM may be meant for the whole group of processes: then the training ends in its
    own time, and needs batches until it does. But a process waits for its workers when it exits,
    which it tells by SIGTERM: were that ignored, it would wait for ever.
    """
    signal.signal(number, signal.SIG_DFL)
