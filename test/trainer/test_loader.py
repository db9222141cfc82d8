# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Whatever happens to the processes that prepare samples, a training ends, and says why."""

from contextlib import closing
from dataclasses import replace
import json
import multiprocessing
import os
from pathlib import Path
import resource
import signal
import time

import pytest
import torch

from mcn_ros.data.coco import CocoDataset
from mcn_ros.tasks import build_tasks
from mcn_ros.trainer import loader, train as module
from mcn_ros.trainer.distributed import Ranks
from mcn_ros.trainer.train import train

pytestmark = pytest.mark.usefixtures('monitors')


@pytest.fixture
def in_workers(config, monkeypatch):
    """Return a function that lets something happen in a worker; whoever waits for it gives up."""
    monkeypatch.setattr(loader, 'PATIENCE', 60)
    real, trainer = CocoDataset.read, os.getpid()

    def happen(event):
        def read(self, *arguments):
            if os.getpid() != trainer:
                event()
            return real(self, *arguments)

        monkeypatch.setattr(CocoDataset, 'read', read)
        return replace(config, workers=1)

    return happen


def raises(error):
    def act():
        raise error

    return act


def hang():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # as native code that never returns
    time.sleep(3600)


def test_too_little_shared_memory_is_one_error(in_workers):
    # The files of shared memory are as limited as all others.
    config = in_workers(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 10, 1 << 10)))
    with pytest.raises(OSError, match=r'^/dev/shm \(\d+ MB\) is too small for up to 3 batches of '
                       r'\d+ MB.*--shm-size.*workers=0') as caught:
        train(config)
    assert '\n' not in str(caught.value)


def test_a_worker_that_hangs_is_one_error(in_workers, monkeypatch):
    config = in_workers(hang)
    monkeypatch.setattr(loader, 'PATIENCE', 1)
    with pytest.raises(OSError, match=r'^no batch has come for 1 s: .*workers=0'):
        train(config)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize('event, error, message', [
    (raises(OSError(5, 'the drive is gone')), OSError, r'^\[Errno 5\] the drive is gone$'),
    (raises(LookupError('a bug')), LookupError, 'Traceback'),
    (lambda: os._exit(3), OSError, '^a process that prepares samples has ended: .*workers=0')],
    ids=['OSError', 'bug', 'exit'])
def test_a_worker_that_fails_ends_the_run(in_workers, event, error, message):
    with pytest.raises(error, match=message):
        train(in_workers(event))


def test_images_without_annotations_are_left_out_on_demand(config, dataset, tmp_path):
    content = json.loads(Path(dataset.annotations).read_bytes())
    content['annotations'] = [each for each in content['annotations'] if each['image_id'] != 2]
    path = tmp_path / 'annotations.json'
    path.write_text(json.dumps(content))
    tasks = build_tasks(config.model.tasks)
    every = loader.open_dataset(replace(dataset, annotations=str(path)), tasks)
    some = loader.open_dataset(
        replace(dataset, annotations=str(path), annotated_only=True), tasks)
    assert (every.ids, some.ids) == ((1, 2, 3, 4), (1, 3, 4))
    assert [some[i].id for i in range(len(some))] == [every[i].id for i in (0, 2, 3)]
    for i, j in enumerate((0, 2, 3)):
        assert (some[i].annotations['detection'].boxes
                == every[j].annotations['detection'].boxes).all()


def test_too_many_open_files():
    error = loader.loader_error(RuntimeError('Too many open files. Communication with'))
    assert isinstance(error, OSError) and 'ulimit -n' in str(error)
    assert loader.loader_error(RuntimeError('something else')) is None


def test_a_worker_that_is_killed_is_one_error_and_loses_nothing(config, monkeypatch):
    backward = module.backward

    def kill_then_go_on(*args, **kwargs):
        if (Path(config.run) / 'checkpoint.pt').exists():
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGKILL)
        return backward(*args, **kwargs)

    monkeypatch.setattr(module, 'backward', kill_then_go_on)
    config = replace(config, workers=1, steps=40, save_every=1)
    with pytest.raises(OSError, match='^a process that prepares samples has ended: .*killed') as e:
        train(config)
    assert '\n' not in str(e.value)
    assert not list(Path(config.run).glob('*.partial'))
    assert torch.load(Path(config.run) / 'checkpoint.pt', weights_only=True)['step'] >= 1


def test_a_worker_obeys_the_second_wish_to_end():
    def work():
        loader._start_worker(0)
        ready.set()
        while True:
            time.sleep(0.01)

    context = multiprocessing.get_context('fork')
    ready = context.Event()
    worker = context.Process(target=work, daemon=True)
    worker.start()
    assert ready.wait(20)
    os.kill(worker.pid, signal.SIGINT)
    os.kill(worker.pid, signal.SIGTERM)
    worker.join(0.5)
    assert worker.is_alive()
    os.kill(worker.pid, signal.SIGTERM)
    worker.join(20)
    assert worker.exitcode == -signal.SIGTERM


def test_a_cache_changes_nothing_but_how_often_is_read(config, monkeypatch, tmp_path):
    reads, real = [], CocoDataset.read
    monkeypatch.setattr(CocoDataset, 'read', lambda self, *arguments: (
        reads.append(arguments), real(self, *arguments))[1])

    def batches(config):
        tasks = build_tasks(config.model.tasks)
        datasets = [loader.open_dataset(config.datasets[0], tasks, config.cache)]
        with closing(Ranks('cpu')) as ranks:
            return list(loader.load_batches(config, tasks, loader.load_samples(config, datasets),
                                            0, ranks))

    expected = batches(config)  # 4 batches of 2 of 4 images
    assert len(reads) == 8
    cached = replace(config, cache=str(tmp_path / 'cache'))
    for count in (12, 12):
        for found, batch in zip(batches(cached), expected, strict=True):
            assert found.ids == batch.ids and torch.equal(found.images, batch.images)
            assert all(torch.equal(found.targets[task][name], value)
                       for task, targets in batch.targets.items()
                       for name, value in targets.items())
        assert len(reads) == count
