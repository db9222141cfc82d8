# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The folder of a run: what it holds is whole at all times, and enough to go on."""

from contextlib import contextmanager
from dataclasses import replace
import json
import os
from pathlib import Path
import pickle
import resource
from tempfile import TemporaryDirectory

from hypothesis import given, settings, strategies
import pytest
import torch
import yaml

from mcn_ros.config import to_dict
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.trainer import run as module
from mcn_ros.trainer.config import DatasetConfig, TrainConfig
from mcn_ros.trainer.run import holds_run, RunFolder
from mcn_ros.weights_file import load_model

FILES = ('checkpoint.pt', 'weights.safetensors', 'metrics.json')
SETTINGS = ModelConfig({'detection': {'classes': ('person',), 'head': {'width': 8}}},
                       TrunkConfig('shufflenet_v2_x0_5', channels=8), (64, 64))


def values(state):
    """Return a part of a run: something with a state."""
    part = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(part.weight, state)
    return part


@pytest.fixture(scope='module')
def model():
    return MultiTaskNet(SETTINGS)


@pytest.fixture
def run(tmp_path):
    run = RunFolder(tmp_path / 'deep' / 'run', {'part': values(1.0)})
    assert run.start() == 0
    return run


@pytest.fixture(scope='module')
def checkpoint_bytes(model, tmp_path_factory):
    run = RunFolder(tmp_path_factory.mktemp('run'), {'part': values(1.0)})
    run.save(1, model)
    return (run.folder / 'checkpoint.pt').read_bytes()


def losses(**named):
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in named.items()}


def content(run):
    return {path.name: path.read_bytes() for path in run.folder.iterdir()}


def test_losses_are_means_over_the_batches_that_have_them(run, model):
    for batch in (losses(total=1.0, pose=0.5), losses(total=3.0), losses()):
        run.log(batch)
    assert run.means() == {'total': 2.0, 'pose': 0.5}
    run.record(3, {'pose': {'AP': 0.25}}, 1e-3)
    assert run.means() == {}
    run.log(losses(total=7.0), unreadable=2)
    run.log(losses(total=7.0), unreadable=1)
    run.record(5, {}, 1e-4)
    run.save(5, model)
    assert json.loads((run.folder / 'metrics.json').read_text()) == run.history == [
        {'step': 3, 'rate': 1e-3, 'losses': {'total': 2.0, 'pose': 0.5}, 'unreadable_images': 0,
         'scores': {'pose': {'AP': 0.25}}},
        {'step': 5, 'rate': 1e-4, 'losses': {'total': 7.0}, 'unreadable_images': 3, 'scores': {}}]


def test_a_run_goes_on_in_the_middle_of_everything(run, model):
    run.log(losses(total=1.0))
    run.record(1, {}, 1.0)
    run.log(losses(total=2.0), unreadable=1)
    run.save(2, model)
    drawn = torch.rand(3)
    resumed = RunFolder(run.folder, {'part': values(0.0)})
    assert resumed.resume() == 2
    assert torch.equal(torch.rand(3), drawn)
    assert resumed.parts['part'].weight.item() == 1.0
    for one in (run, resumed):
        one.log(losses(total=5.0), unreadable=1)
        one.record(3, {}, 1.0)
    assert resumed.history == run.history and run.history[1]['losses'] == {'total': 3.5}


def test_the_weights_are_those_to_use(run, model):
    run.save(1, model)
    assert set(content(run)) == set(FILES)
    found = load_model(run.folder / 'weights.safetensors').state_dict()
    assert all(torch.equal(found[name], value) for name, value in model.state_dict().items())


def test_the_configuration_is_what_was_asked_for(run):
    for steps in (5, 6):
        config = TrainConfig('run', SETTINGS, (DatasetConfig('a', 'b'),), steps=steps)
        run.describe(config)
        assert yaml.safe_load((run.folder / 'config.yaml').read_text()) == to_dict(config)


@contextmanager
def full_disk():
    """Let files become no larger than a few hundred bytes; what is larger fails."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize('name, owner, writer', [
    ('checkpoint.pt', Path, 'write_bytes'), ('weights.safetensors', module, 'save_model'),
    ('metrics.json', Path, 'write_text')])
def test_a_full_disk_is_told_and_loses_nothing(run, model, name, owner, writer, monkeypatch):
    run.record(1, {'long': 'x' * 1000}, 1.0)
    run.save(1, model)
    before = content(run)
    run.record(2, {}, 1.0)
    write = getattr(owner, writer)

    def fail(*args):
        with full_disk():
            return write(*args)

    with monkeypatch.context() as patch, pytest.raises(OSError) as info:
        patch.setattr(owner, writer, fail)
        run.save(2, model)
    assert str(info.value).startswith(f'{run.folder / name}: cannot be written, what was there ')
    assert 'File too large' in str(info.value) and '\n' not in str(info.value)
    assert content(run)[name] == before[name]
    assert not list(run.folder.glob('*.partial'))
    assert RunFolder(run.folder, {'part': values(0.0)}).resume() == (1 if name == FILES[0] else 2)


@pytest.mark.parametrize('name', FILES)
def test_an_end_in_the_middle_of_saving_loses_nothing(run, model, name, monkeypatch):
    run.record(1, {}, 1.0)
    run.save(1, model)
    before = content(run)
    run.record(2, {}, 1.0)
    replace = os.replace

    def die(source, target):
        if Path(target).name == name:
            raise KeyboardInterrupt  # nothing is tidied up, as when the process is killed
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, 'replace', die)
        run.save(2, model)
    assert content(run)[name] == before[name]
    resumed = RunFolder(run.folder, {'part': values(0.0)})
    assert resumed.resume() in (1, 2)
    resumed.save(3, model)
    assert set(content(run)) == set(FILES)  # the rest of the file that broke off is gone


def test_a_folder_holds_the_run_whose_checkpoint_it_has(run, model):
    config = TrainConfig(str(run.folder), SETTINGS, (DatasetConfig('a.json', 'images'),))
    run.describe(config)
    assert not holds_run(config)  # it ended before anything was saved
    run.save(1, model)
    assert holds_run(config)
    moved = run.folder.rename(run.folder.with_name('moved'))
    assert holds_run(replace(config, run=str(moved)))
    with pytest.raises(ValueError, match=f'^{moved} holds a run already, of other settings '
                       r'\(steps was 10000, is 3; seed was 0, is 1\); .* --resume '):
        holds_run(replace(config, run=str(moved), steps=3, seed=1))
    for content in ('[1]', 'a: b: c', None):
        if content is None:
            (moved / 'config.yaml').unlink()
        else:
            (moved / 'config.yaml').write_text(content)
        with pytest.raises(ValueError, match='holds a run already.*config.yaml cannot be read'):
            holds_run(replace(config, run=str(moved)))


def test_there_must_be_something_to_resume(run):
    with pytest.raises(ValueError, match=f'^{run.folder} has no checkpoint to resume from$'):
        run.resume()


@pytest.mark.parametrize('parts', [{'part': torch.nn.Linear(2, 1)}, {'other': values(0.0)}])
def test_the_checkpoint_of_another_network_is_refused(run, model, parts):
    run.save(1, model)
    with pytest.raises(ValueError, match=r'checkpoint.pt: does not fit this run: .') as info:
        RunFolder(run.folder, parts).resume()
    assert '\n' not in str(info.value)


@pytest.mark.parametrize('content', [
    [1], 3, None, {}, {'part': 3}, {'part': [1]}, {'part': {}}, {'part': {'weight': 'x'}}])
def test_a_checkpoint_of_something_else_is_refused(run, model, content):
    run.save(1, model)
    path = run.folder / 'checkpoint.pt'
    if isinstance(content, dict):
        content = {**torch.load(path, weights_only=True), **{'step': 'x'}, **content}
    torch.save(content, path)
    with pytest.raises(ValueError, match='checkpoint.pt: does not fit this run: .') as info:
        run.resume()
    assert '\n' not in str(info.value)


def test_code_in_a_checkpoint_is_not_run(run, model, tmp_path):
    class Code:

        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'was_here'),)

    run.save(1, model)
    for write in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))):
        write({'part': Code()}, run.folder / 'checkpoint.pt')
        with pytest.raises(ValueError, match='checkpoint.pt: does not fit this run: .'):
            run.resume()
    assert not (tmp_path / 'was_here').exists()


@settings(max_examples=60)
@given(strategies.lists(strategies.tuples(strategies.floats(0, 1, exclude_max=True),
                                          strategies.integers(1, 255)), max_size=4),
       strategies.just(1.0) | strategies.floats(0, 1))
def test_damaged_checkpoints_are_refused_or_whole(checkpoint_bytes, flips, kept):
    data = bytearray(checkpoint_bytes)
    for place, bits in flips:
        data[int(place * len(data))] ^= bits
    with TemporaryDirectory() as folder:
        Path(folder, 'checkpoint.pt').write_bytes(data[:int(kept * len(data))])
        try:
            assert isinstance(RunFolder(Path(folder), {'part': values(0.0)}).resume(), int)
        except ValueError as error:
            assert str(error).startswith(f'{folder}/checkpoint.pt: does not fit this run: ')
        assert [path.name for path in Path(folder).iterdir()] == ['checkpoint.pt']


@pytest.mark.parametrize('damage', [lambda data: data[:-100], lambda data: b'', lambda data: b'x'])
def test_a_damaged_checkpoint_is_refused(run, model, damage):
    run.save(1, model)
    path = run.folder / 'checkpoint.pt'
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match='checkpoint.pt: does not fit this run: .'):
        run.resume()
