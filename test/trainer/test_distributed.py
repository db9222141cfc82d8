# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Several processes are one process with the joint batch, whatever is labelled where.

This file is the program of the processes, too: torchrun starts it with the folder for results.
"""

import os
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mcn_ros.data.batch import collate
from mcn_ros.gpu.watch import GraphWatch
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.structures import ClassMap, Instances, Poses, Sample
from mcn_ros.trainer import distributed
from mcn_ros.trainer.balance import Fixed
from mcn_ros.trainer.batch_norm import synchronise
from mcn_ros.trainer.config import DatasetConfig, TrainConfig
from mcn_ros.trainer.distributed import Ranks, TURNS
from mcn_ros.trainer.objective import Objective, paper_weights
from mcn_ros.trainer.owners import Owners
from mcn_ros.trainer.run import RunFolder
from mcn_ros.trainer.step import backward
from mcn_ros.trainer.train import _check_shared

WORLD = 2
PATIENCE = 280  # seconds, fewer than a test may take
ALL = ('detection', 'pose', 'segmentation')
# Of each image of a batch. The first half is for one process, the second for the other.
LABELS = [
    [ALL, ('detection', 'pose'), ('detection',), ('segmentation', 'detection')],  # pose: one only
    [(), (), ('pose',), ('segmentation',)],  # nothing for the first
    [('detection',), (), (), ()],  # nothing for the second
    [(), (), (), ()],
    [('segmentation',), ('pose',), ALL, ALL]]
ASYNCHRONOUS = {'trunk': 4, 'detection': 5, 'pose': 3, 'segmentation': 2}
SETTINGS = {'plain': {}, 'asynchronous': {'effective_batches': ASYNCHRONOUS},
            'synchronised': {'sync_batch_norm': True}, 'exchanging': {}}
PART = {'backbone': 'shufflenet_v2_x0_5', 'channels': 8}


def sample(names, seed):
    """Return an image with a number of objects of its own: the means must be joint ones."""
    rng = np.random.default_rng(seed)
    count = 1 + seed % 4
    boxes = np.hstack([rng.uniform(0, 30, (count, 2)), rng.uniform(32, 64, (count, 2))])
    boxes, ones = boxes.astype(np.float32), np.ones(count, np.float32)
    labels = rng.choice([0, 1, 255], (64, 64), p=[0.4, 0.4, 0.2]).astype(np.uint8)
    annotations = {
        'detection': Instances(boxes, rng.integers(0, 2, count), ones),
        'pose': Poses(boxes, ones, rng.uniform(0, 64, (count, 17, 2)).astype(np.float32),
                      np.ones((count, 17), np.float32)),
        'segmentation': ClassMap(labels)}
    return Sample(rng.integers(0, 256, (64, 64, 3), np.uint8),
                  {name: annotations[name] for name in names}, str(seed))


def train(kind, ranks, folder):
    """Train on LABELS with a restart; return weights before and after and what was told."""
    torch.manual_seed(ranks.rank)
    head = {'head': {'width': 8}}
    trunk = TrunkConfig(**PART)
    if kind == 'exchanging':
        trunk = {'kind': 'cross_connected', 'streams': {
            'one': {**PART, 'tasks': ['detection', 'pose']},
            'other': {**PART, 'tasks': ['segmentation']}}}
    model = ModelConfig({'detection': {**head, 'classes': ('person', 'car')}, 'pose': head,
                         'segmentation': {**head, 'classes': ('person',)}},
                        trunk, (64, 64))
    config = TrainConfig('run', model, (DatasetConfig('a.json', 'images'),), optimizer='sgd',
                         learning_rate=1e-3, max_norm=5.0, **SETTINGS[kind])
    model = MultiTaskNet(config.model).to(memory_format=torch.channels_last).eval()
    if config.sync_batch_norm:
        model.double().train()  # so few images let rounding grow with every batch
        if ranks.world > 1:
            synchronise(model.trunk, ranks.device)
    ranks.broadcast(model)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    owners = Owners(model, config, ranks)
    objective = Objective(model.tasks, Fixed(paper_weights(model.tasks)), {}, ranks)
    scaler, history = torch.amp.GradScaler('cpu', enabled=False), []
    for number, labels in enumerate(LABELS):
        samples = [sample(tasks, 4 * number + i) for i, tasks in enumerate(labels)]
        share = len(samples) // ranks.world
        batch = collate(samples[share * ranks.rank:][:share], model.tasks)
        weights = objective.weigh(batch)
        everywhere = [task for task in model.tasks
                      if config.sync_batch_norm and weights.labelled[task]]
        losses = backward(model, batch, weights.local(owners.asynchronous), scaler=scaler,
                          everywhere=everywhere, joint=number == 2, checkpoint=number == 4)
        owners.count(weights.labelled)
        history.append({'labelled': weights.labelled, 'losses': objective.reduce(losses, weights),
                        'updated': owners.step(scaler, 1.0)})
        owners.collect()
        if ranks.rank == 0:
            torch.save(owners.state_dict(), folder / f'{kind}.pt')
        ranks.barrier()
        if number == 1:
            model.zero_grad()
            owners = Owners(model, config, ranks)
            owners.load_state_dict(torch.load(folder / f'{kind}.pt', weights_only=True))
    after = {name: value.detach() for name, value in model.named_parameters()}
    statistics = {name: value for name, value in model.named_buffers() if 'running' in name}
    return {'before': before, 'after': after, 'history': history, 'statistics': statistics}


def exchange(ranks):
    """Return what becomes of gradients, statistics and numbers that differ between processes."""
    parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in [(2, 3), (4,), (1, 3, 2, 2)]]
    parameters[0].grad = torch.full((2, 3), 1.0 + ranks.rank)
    if ranks.rank == 1:
        parameters[2].grad = torch.arange(12.0).reshape(1, 3, 2, 2).to(
            memory_format=torch.channels_last)
    ranks.sum_gradients(parameters)
    norm = torch.nn.BatchNorm2d(2)
    norm.running_mean += ranks.rank
    norm.weight.data.fill_(ranks.rank)
    ranks.average_buffers(norm)
    scalars = {'a': 1} if ranks.rank else {'a': 2.5, 'b': torch.tensor(4)}
    return {'gradients': [value.grad for value in parameters], 'norm': norm.state_dict(),
            'scalars': ranks.sum_scalars(scalars, ['a', 'b', 'c']),
            'counts': ranks.sum_counts(True, 3 * ranks.rank),
            'shared': [list(ranks.share(lambda item: (item, ranks.rank), range(count)))
                       for count in (0, 1, 5, 4 * TURNS + 1)],
            'gathered': ranks.gather(ranks.rank), 'spread': ranks.spread(10 + ranks.rank),
            'refused': refused(ranks)}


def refused(ranks):
    """Return what is said of a folder in which the processes find different checkpoints."""
    _check_shared(RunFolder('run', {}), 5, ranks)
    try:
        _check_shared(RunFolder('run', {}), ranks.rank, ranks)
    except ValueError as error:
        return str(error)


def main(folder):
    torch.set_num_threads(1)
    distributed.BUCKET = 1000  # several messages
    ranks = Ranks('cpu')
    results = {kind: train(kind, ranks, folder) for kind in SETTINGS}
    torch.save({**results, 'exchange': exchange(ranks)}, folder / f'rank{ranks.rank}.pt')
    ranks.close()


@pytest.fixture(scope='module')
def results(tmp_path_factory):
    """Return what each of two processes has to say."""
    folder = tmp_path_factory.mktemp('ranks')
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', str(WORLD),
               '--rdzv-backend', 'c10d', '--rdzv-endpoint', '127.0.0.1:0', __file__, str(folder)]
    package = str(Path(distributed.__file__).parents[2])
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'GLOO_SOCKET_IFNAME': 'lo',
                   'PYTHONPATH': os.pathsep.join([package, os.environ.get('PYTHONPATH', '')])}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.terminate()  # torchrun ends its processes
        process.wait()
    assert process.returncode == 0, errors
    return [torch.load(folder / f'rank{rank}.pt') for rank in range(WORLD)]


@pytest.fixture(scope='module', params=SETTINGS)
def runs(request, results, tmp_path_factory):
    """Return the training of one process alone, and those of two together."""
    alone = train(request.param, Ranks('cpu'), tmp_path_factory.mktemp('alone'))
    return alone, [result[request.param] for result in results]


def test_two_processes_learn_what_one_learns_from_the_joint_batch(runs):
    alone, together = runs
    for name, value in alone['after'].items():
        moved = (value - alone['before'][name]).abs().max().item()
        assert moved > 0
        for run in together:
            torch.testing.assert_close(run['after'][name], value, rtol=1e-6,
                                       atol=1e-3 * moved + 1e-7)


def test_two_processes_stay_the_same(runs):
    _, (first, second) = runs
    for when in ('before', 'after'):
        for name, value in first[when].items():
            assert torch.equal(value, second[when][name]), (when, name)


def test_two_processes_tell_of_the_joint_batch(runs):
    alone, together = runs
    for run in together:
        for own, other in zip(run['history'], alone['history'], strict=True):
            assert own['labelled'] == other['labelled'] and own['updated'] == other['updated']
            torch.testing.assert_close(own['losses'], other['losses'], rtol=1e-4, atol=1e-5)
    assert sum(bool(told['updated']) for told in alone['history']) >= 3


def test_the_setting_without_torchrun_is_one_process():
    ranks, parameter = Ranks('cpu'), torch.nn.Parameter(torch.zeros(2))
    assert (ranks.rank, ranks.world, ranks.device) == (0, 1, torch.device('cpu'))
    ranks.sum_gradients([parameter])
    assert parameter.grad is None
    assert ranks.sum_scalars({'a': 2}, ['a', 'b']) == {'a': 2, 'b': 0}
    assert ranks.sum_counts(2, False) == [2, 0]
    ranks.barrier()
    assert list(ranks.share(str, [1, 2])) == ['1', '2']
    assert (ranks.gather(3), ranks.spread(4)) == ([3], 4)
    ranks.close()
    with pytest.raises(ValueError, match="device: 'cuda:99' is not available"):
        Ranks('cuda:99')


def test_gradients_on_a_device_are_summed_without_waiting_for_it(monkeypatch):
    ranks, sent = Ranks('cpu'), []
    monkeypatch.setattr(ranks, 'world', 2)
    monkeypatch.setattr(ranks, 'sum_counts', lambda *counts: [2 * count for count in counts])
    monkeypatch.setattr(distributed.distributed, 'all_reduce', sent.append)
    with FakeTensorMode():
        parameters = [torch.nn.Parameter(torch.empty(4, device='cuda')) for _ in range(3)]
        for value in parameters[:2]:
            value.grad = torch.empty(4, device='cuda')
        with GraphWatch():
            ranks.sum_gradients(parameters)
    assert [message.numel() for message in sent] == [8] and parameters[2].grad is None


def test_gradients_are_summed(results):
    for first, second, third in (result['exchange']['gradients'] for result in results):
        assert torch.equal(first, torch.full((2, 3), 3.0))
        assert second is None  # as in a single process: no decay, no momentum
        assert torch.equal(third, torch.arange(12.0).reshape(1, 3, 2, 2))


def test_running_statistics_are_averaged_and_nothing_else(results):
    for rank, state in enumerate(result['exchange']['norm'] for result in results):
        assert state['running_mean'].tolist() == [0.5, 0.5]
        assert state['running_var'].tolist() == [1.0, 1.0]
        assert state['weight'].tolist() == [rank, rank]


def test_synchronised_statistics_are_those_of_the_joint_batch(results, tmp_path):
    alone = train('synchronised', Ranks('cpu'), tmp_path)
    for result in results:
        for name, value in alone['statistics'].items():
            torch.testing.assert_close(result['synchronised']['statistics'][name], value)


def test_items_are_shared_and_come_back_in_order(results):
    first, second = (result['exchange'] for result in results)
    for count, found in zip((0, 1, 5, 4 * TURNS + 1), first['shared'], strict=True):
        assert found == [(item, item % WORLD) for item in range(count)]
    assert second['shared'] == [[]] * 4
    assert (first['gathered'], second['gathered']) == ([0, 1], [])
    assert (first['spread'], second['spread']) == (10, 10)


def test_machines_have_to_share_the_folder_of_a_run(results):
    for result in results:
        assert 'run: other processes go on from another batch' in result['exchange']['refused']


def test_numbers_are_summed(results):
    for result in results:
        assert result['exchange']['scalars'] == {'a': 3.5, 'b': 4, 'c': 0}
        assert result['exchange']['counts'] == [2, 3]


if __name__ == '__main__':
    main(Path(sys.argv[1]))
