# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A run that was stopped, however roughly, ends as if nothing had happened; so do several processes.

This file is the program of a process that is killed, too: it takes the number of the batch, then
the configurations of runs that it makes one after the other. Of several processes the last is
killed, but not again when torchrun has started them anew.
"""

from dataclasses import replace
import json
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
from unittest import mock

import pytest
import torch
from torch import distributed
from torch.nn import functional
import yaml

from mcn_ros.commands import train as command
from mcn_ros.config import to_dict
from mcn_ros.trainer import train as module
from mcn_ros.trainer.train import train
from mcn_ros.weights_file import load_model

PATIENCE = 280  # seconds, fewer than a test may take
EACH_ITS_OWN_PACE = {'trunk': 3, 'detection': 4, 'pose': 5, 'segmentation': 7}

pytestmark = pytest.mark.usefixtures('monitors')


def before_batch(number, act):
    """Return a backward pass that calls ``act`` when it comes to a batch."""
    real, calls = module.backward, []

    def backward(*args, **kwargs):
        calls.append(None)
        if len(calls) == number:
            act()
        return real(*args, **kwargs)

    return backward


def main(number, *configs):
    torch.set_num_threads(1)
    module.Monitor = mock.MagicMock()  # as ``monitors``
    is_last = os.environ.get('RANK', '0') == str(int(os.environ.get('WORLD_SIZE', 1)) - 1)
    if is_last and os.environ.get('TORCHELASTIC_RESTART_COUNT', '0') == '0':
        module.backward = before_batch(int(number), lambda: os.kill(os.getpid(), signal.SIGKILL))
    if 'RANK' in os.environ:
        distributed.init_process_group('gloo')  # of all runs: a second one would not find it anew
    for config in configs:
        command.main([config])


def environment():
    package = str(Path(module.__file__).parents[2])
    return {**os.environ, 'OMP_NUM_THREADS': '1', 'GLOO_SOCKET_IFNAME': 'lo',
            'TORCH_DISABLE_SHARE_RDZV_TCP_STORE': '1',
            'PYTHONPATH': os.pathsep.join([package, os.environ.get('PYTHONPATH', '')])}


def checkpoint_of(config):
    return torch.load(Path(config.run) / 'checkpoint.pt', weights_only=True)


def steps_of(config):
    return [entry['step'] for entry in
            json.loads((Path(config.run) / 'metrics.json').read_text())]


def weights_of(config):
    return load_model(Path(config.run) / 'weights.safetensors').state_dict()


def assert_equal(first, second, where='checkpoint'):
    """Compare two states, number by number."""
    assert type(first) is type(second), where
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key, value in first.items():
            assert_equal(value, second[key], f'{where}.{key}')
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    else:
        assert first == second, where


def assert_same_runs(first, second):
    assert_equal(checkpoint_of(first), checkpoint_of(second))
    assert_equal(weights_of(first), weights_of(second))
    assert steps_of(first) == steps_of(second)


@pytest.fixture
def whole(config, tmp_path):
    """Return another place for a run that is not stopped."""
    return replace(config, run=str(tmp_path / 'whole'))


@pytest.mark.parametrize('settings', [
    {},
    {'effective_batches': EACH_ITS_OWN_PACE, 'balance': 'uncertainty', 'optimizer': 'sgd'},
    {'balance': 'gradient_norm', 'precision': 'bfloat16', 'checkpoint_stages': True,
     'workers': 1}], ids=['plain', 'asynchronous', 'bfloat16'])
def test_a_run_goes_on_as_if_it_had_not_failed(config, whole, monkeypatch, settings):
    config, whole = replace(config, **settings), replace(whole, **settings)
    real = module.build_model

    def build(config):  # with random numbers in its passes
        model = real(config)
        for head in model.heads.values():
            head.register_forward_pre_hook(lambda module, inputs: {
                name: functional.dropout(values, 0.2, module.training)
                for name, values in inputs[0].items()})
        return model

    def fail():
        raise RuntimeError('in the middle')

    monkeypatch.setattr(module, 'build_model', build)
    train(whole)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match='in the middle'):
        patch.setattr(module, 'backward', before_batch(4, fail))
        train(config)
    assert steps_of(config) == [2]
    train(config, resume=True)
    assert_same_runs(config, whole)
    assert train(config, resume=True) == {}  # done already
    assert_same_runs(config, whole)


def test_a_run_that_is_killed_loses_nothing_that_was_saved(config, whole, tmp_path):
    config, whole = (replace(run, steps=8, effective_batches=EACH_ITS_OWN_PACE)
                     for run in (config, whole))
    number = random.Random(0).randrange(4, 9)
    (tmp_path / 'config.yaml').write_text(yaml.safe_dump(to_dict(config)))
    process = subprocess.run(
        [sys.executable, __file__, str(number), str(tmp_path / 'config.yaml')],
        env=environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert steps_of(config)[-1] == (number - 1) // 2 * 2
    train(config, resume=True)
    train(whole)
    assert_same_runs(config, whole)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop_saves_first(config, whole, monkeypatch, number, capfd):
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, 'backward', before_batch(3, lambda: signal.raise_signal(number)))
        train(config)
    assert checkpoint_of(config)['step'] == 3
    assert f'go on with: train --resume {config.run}\n' in capfd.readouterr().err
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    train(config, resume=True)
    train(whole)
    assert_same_runs(config, whole)


def test_a_run_that_never_saved_can_be_started_again(config, monkeypatch):
    def fail():
        raise RuntimeError

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(module, 'backward', before_batch(1, fail))
        train(config)
    train(config)
    assert steps_of(config) == [2, 4]


def test_the_same_command_goes_on(config, whole, monkeypatch):
    def fail():
        raise RuntimeError

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(module, 'backward', before_batch(4, fail))
        train(config)
    train(config)
    train(whole)
    assert_same_runs(config, whole)
    assert train(config) == {}  # done already


def torchrun(*arguments):
    """Run two processes; return what they print."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2',
         '--rdzv-backend', 'c10d', '--rdzv-endpoint', '127.0.0.1:0', *map(str, arguments)],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.terminate()  # torchrun ends its processes
        process.wait()
    assert process.returncode == 0, errors
    return output, errors


def test_torchrun_starts_a_run_again_of_which_a_process_was_killed(config, whole, dataset,
                                                                   tmp_path):
    runs = [replace(run, steps=6, effective_batches=EACH_ITS_OWN_PACE, sync_batch_norm=True)
            for run in (whole, config)]
    paths = [tmp_path / f'{number}.yaml' for number in range(2)]
    for run, path in zip(runs, paths):
        path.write_text(yaml.safe_dump(to_dict(run)))
    killed_at = runs[0].steps + 4
    _, errors = torchrun('--max-restarts', 2, __file__, killed_at, *paths)
    assert f'{runs[1].run}: goes on after 2 of 6 batches' in errors
    assert f'{runs[0].run}: goes on after 6 of 6 batches' in errors
    assert_same_runs(*runs)
    with pytest.raises(ValueError, match='holds a run already'):
        train(replace(runs[1], seed=1))
    assert_same_runs(*runs)


def test_two_processes_write_what_one_writes(config, whole, dataset, tmp_path):
    # With a frozen trunk there are no batch norms that depend on who sees which image.
    config, whole = (replace(run, frozen=('trunk',), optimizer='sgd', max_norm=1.0, ema_decay=0.0,
                             validation=dataset, overlays=0) for run in (config, whole))
    (tmp_path / 'config.yaml').write_text(yaml.safe_dump(to_dict(config)))
    output, _ = torchrun('-m', 'mcn_ros.commands.train', tmp_path / 'config.yaml')
    assert output.count('detection AP') == 2  # one told at the validation, one at the end
    train(whole)
    found = weights_of(config)
    for name, value in weights_of(whole).items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6, msg=name)
    assert steps_of(config) == steps_of(whole)


if __name__ == '__main__':
    main(*sys.argv[1:])
