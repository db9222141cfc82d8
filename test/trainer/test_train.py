# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Whole runs on a tiny data set: what they write, and that they go on where they stopped."""

from dataclasses import replace
import json
import math
import multiprocessing
from pathlib import Path
import shutil

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
import yaml

from mcn_ros.config import from_dict, to_dict
from mcn_ros.model import MultiTaskNet
from mcn_ros.tasks import build_tasks
from mcn_ros.tasks.segmentation import SegmentationTask
from mcn_ros.trainer import learner
from mcn_ros.trainer import train as module
from mcn_ros.trainer.config import DatasetConfig, TrainConfig
from mcn_ros.trainer.finite import FiniteWatch
from mcn_ros.trainer.monitor import Monitor
from mcn_ros.trainer.objective import paper_weights
from mcn_ros.trainer.train import summarise, train
from mcn_ros.weights_file import load_model, save_model

COUNT = 4  # images in the data set

pytestmark = pytest.mark.usefixtures('monitors')


def partially(dataset, folder, labelled):
    """Write the annotations again with a ``labelled`` key per image."""
    with open(dataset.annotations) as file:
        content = json.load(file)
    for image, names in zip(content['images'], labelled, strict=True):
        image['labelled'] = names
    path = folder / 'partial.json'
    path.write_text(json.dumps(content))
    return replace(dataset, annotations=str(path))


def folder_of(config):
    return Path(config.run)


def weights_of(config):
    return load_model(folder_of(config) / 'weights.safetensors').state_dict()


def assert_equal(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def metrics_of(config):
    return json.loads((folder_of(config) / 'metrics.json').read_text())


def test_a_run_writes_what_it_learned(config, dataset, monkeypatch):
    monkeypatch.setattr(module, 'Monitor', Monitor)
    config = replace(config, steps=5, validation=dataset, validate_every=3)
    scores = train(config)
    assert {path.name for path in folder_of(config).iterdir()} == {
        'config.yaml', 'checkpoint.pt', 'weights.safetensors', 'metrics.json', 'curves.png',
        'tensorboard', 'overlays'}
    assert len(list((folder_of(config) / 'overlays').iterdir())) == 2
    assert scores.keys() == {*config.model.tasks, 'images'} and scores['images'] == COUNT

    history = metrics_of(config)
    assert [entry['step'] for entry in history] == [2, 3, 4, 5]
    assert all(entry['losses']['total'] > 0 for entry in history)
    # Scores stand beside the weights that they were measured with, and nowhere else.
    assert [bool(entry['scores']) for entry in history] == [False, True, False, True]
    assert history[-1]['scores'] == scores

    stored = yaml.safe_load((folder_of(config) / 'config.yaml').read_text())
    assert to_dict(from_dict(TrainConfig, stored)) == to_dict(config)
    loaded = load_model(folder_of(config) / 'weights.safetensors')
    assert list(loaded.tasks) == list(config.model.tasks)
    assert loaded.config.input_size == (64, 64)


def test_a_run_of_no_steps_writes_what_it_would_start_from(config, dataset, monkeypatch):
    monkeypatch.setattr(module, 'Monitor', Monitor)
    config = replace(config, steps=0, validation=dataset)
    scores = train(config)
    torch.manual_seed(config.seed)
    assert_equal(MultiTaskNet(config.model).state_dict(), weights_of(config))
    assert metrics_of(config) == [{'step': 0, 'rate': config.learning_rate / 2, 'losses': {},
                                   'unreadable_images': 0, 'scores': scores}]
    assert (folder_of(config) / 'curves.png').is_file()
    train(replace(config, steps=2, validation=None), resume=True)
    assert [entry['step'] for entry in metrics_of(config)] == [0, 2]
    train(replace(config, steps=0), resume=True)  # is over: nothing is written any more
    assert [entry['step'] for entry in metrics_of(config)] == [0, 2]


def test_a_run_can_be_watched(config, dataset, monitors):
    train(replace(config, steps=13, validation=dataset, validate_every=7, save_every=5,
                  overlays=3))
    monitor, = monitors
    names = [name for name, *_ in monitor.calls]
    assert names == ['first', 'curves', 'scores', 'overlays', 'curves', 'losses', 'curves',
                     'losses', 'scores', 'overlays', 'curves', 'close']
    steps = [args[0] for name, *args in monitor.calls if name in ('losses', 'scores', 'overlays')]
    assert steps == [7, 7, 10, 13, 13, 13]
    for name, *args in monitor.calls:
        if name == 'losses':
            assert all(isinstance(value, float) for value in args[1].values())
            assert {'total', 'detection/size', 'segmentation/cross_entropy'} <= args[1].keys()
            assert 0 < args[2] < config.learning_rate
        elif name == 'overlays':
            assert [Path(sample.id).stem for sample in args[1]] == ['1', '2', '3']
            assert [set(prediction) for prediction in args[2]] == [set(config.model.tasks)] * 3
    rates = [entry['rate'] for entry in metrics_of(config)]
    assert rates == sorted(rates, reverse=True) and rates[0] < config.learning_rate


def test_the_total_is_the_sum_of_the_weighted_losses(config, monitors):
    config = replace(config, steps=1, loss_weights={'pose/size': 3.0}, device='cpu')
    train(config)
    (_, _, losses, _), = (call for call in monitors[0].calls if call[0] == 'losses')
    total = losses.pop('total')
    weights = {**paper_weights(build_tasks(config.model.tasks)), 'pose/size': 3.0}
    assert total == pytest.approx(sum(weights[name] * value for name, value in losses.items()))
    assert weights.keys() == losses.keys()


def test_a_run_is_determined_by_its_seed(config, tmp_path):
    train(config)
    again = replace(config, run=str(tmp_path / 'again'))
    train(again)
    assert_equal(weights_of(config), weights_of(again))
    other = replace(config, run=str(tmp_path / 'other'), seed=1)
    train(other)
    with pytest.raises(AssertionError):
        assert_equal(weights_of(config), weights_of(other))


def test_a_run_can_be_prolonged(config):
    train(config)
    train(replace(config, steps=6), resume=True)
    assert [entry['step'] for entry in metrics_of(config)] == [2, 4, 6]
    assert yaml.safe_load((folder_of(config) / 'config.yaml').read_text())['steps'] == 6


def test_a_folder_with_another_run_is_refused(config):
    train(config)
    before = weights_of(config)
    with pytest.raises(ValueError, match=f'{config.run} holds a run already.*seed was 0, is 5'):
        train(replace(config, seed=5))
    assert_equal(weights_of(config), before)


def test_there_must_be_something_to_resume(config):
    with pytest.raises(ValueError, match=f'{config.run} has no checkpoint to resume from'):
        train(config, resume=True)


def test_the_written_weights_are_an_average(config):
    train(replace(config, ema_decay=0.0))  # of the last weights alone
    checkpoint = torch.load(folder_of(config) / 'checkpoint.pt', weights_only=True)
    assert_equal(weights_of(config), checkpoint['model'])


def test_an_average_is_slower_than_what_it_averages(config):
    train(replace(config, ema_decay=0.9, learning_rate=0.01))
    checkpoint = torch.load(folder_of(config) / 'checkpoint.pt', weights_only=True)
    torch.manual_seed(config.seed)
    start = MultiTaskNet(config.model).state_dict()

    def way(state):
        return sum((state[k] - v).norm() for k, v in start.items() if k.endswith('weight'))

    assert 0 < way(weights_of(config)) < way(checkpoint['model'])


def test_a_loss_that_is_not_finite_ends_the_run_and_names_images(config, tmp_path):
    model = MultiTaskNet(config.model)
    torch.nn.init.constant_(model.heads['pose'].maps['size'][-1].bias, 3e38)  # of 3.4e38
    save_model(model, tmp_path / 'w')
    with pytest.raises(FloatingPointError,
                       match=r'^loss is not finite: pose/size; images /.*/\d\.png, /.*/\d\.png$'):
        train(replace(config, initial_weights=str(tmp_path / 'w')))
    assert not (folder_of(config) / 'weights.safetensors').exists()


def test_gradients_that_are_not_finite_end_the_run_and_name_images(config):
    config = replace(config, loss_weights={'pose/size': 1e39})  # infinite in float32
    with pytest.raises(FloatingPointError,
                       match=r'^gradients are not .*; images /.*/\d\.png, /.*/\d\.png$'):
        train(config)
    assert not (folder_of(config) / 'weights.safetensors').exists()


def test_unlabelled_images_are_no_problem(config, dataset, tmp_path):
    partial = partially(dataset, tmp_path, [[], [], ['pose'], ['detection:car']])
    config = replace(config, datasets=(partial,), batch_size=1, steps=8, save_every=8,
                     frozen=('heads.segmentation',))  # one to learn has to be labelled
    train(config)
    entry, = metrics_of(config)
    assert {name.partition('/')[0] for name in entry['losses']} == {'pose', 'detection', 'total'}


def test_a_run_may_start_from_weights(config, tmp_path):
    torch.manual_seed(9)
    model = MultiTaskNet(config.model)
    save_model(model, tmp_path / 'w')
    config = replace(config, initial_weights=str(tmp_path / 'w'), learning_rate=0.0, ema_decay=0.0)
    train(config)
    found = weights_of(config)
    assert all(torch.equal(found[name], value) for name, value in model.named_parameters())


def test_weights_of_another_architecture_are_refused(config, tmp_path):
    other = replace(config.model, trunk=replace(config.model.trunk, channels=8))
    save_model(MultiTaskNet(other), tmp_path / 'w')
    with pytest.raises(ValueError, match='initial_weights: .*w has another architecture'):
        train(replace(config, initial_weights=str(tmp_path / 'w')))


def test_a_backbone_may_learn_more_slowly(config):
    train(replace(config, rates={'trunk.backbone': 0.0}, ema_decay=0.0, weight_decay=0.5))
    torch.manual_seed(config.seed)
    start, found = MultiTaskNet(config.model), weights_of(config)
    for name, value in start.named_parameters():
        assert torch.equal(found[name], value) == name.startswith('trunk.backbone.'), name


def test_what_is_frozen_stays(config):
    train(replace(config, frozen=('trunk.backbone',), ema_decay=0.0))
    torch.manual_seed(config.seed)
    start, found = MultiTaskNet(config.model).state_dict(), weights_of(config)
    for name, value in start.items():
        if name.startswith('trunk.backbone.'):  # statistics of batch norms, too
            assert torch.equal(found[name], value), name
    assert not torch.equal(found['heads.pose.maps.size.2.bias'],
                           start['heads.pose.maps.size.2.bias'])


@pytest.mark.parametrize('change', [
    {'precision': 'bfloat16'}, {'optimizer': 'sgd'}, {'balance': 'uncertainty'},
    {'schedule': 'constant'}, {'max_norm': 0.01}, {'loss_weights': {'pose/size': 9.0}},
    {'effective_batches': {'trunk': 3, 'detection': 2, 'pose': 4, 'segmentation': 5}}],
    ids=lambda change: next(iter(change)))
def test_settings_change_what_is_learned(config, plain_weights, change):
    train(replace(config, **change))
    found = weights_of(config)
    assert any(not torch.equal(found[name], value) for name, value in plain_weights.items())
    assert all(value.isfinite().all() for value in found.values())


@pytest.mark.parametrize('change, joint, checkpoint', [
    ({}, False, False), ({'backward': 'joint'}, True, False),
    ({'checkpoint_stages': True}, False, True)])
def test_memory_is_saved_as_asked_for(config, change, joint, checkpoint, monkeypatch):
    asked, real = [], module.backward
    monkeypatch.setattr(module, 'backward',
                        lambda *args, **kwargs: asked.append(kwargs) or real(*args, **kwargs))
    train(replace(config, steps=1, **change))
    assert (asked[0]['joint'], asked[0]['checkpoint']) == (joint, checkpoint)


@pytest.fixture(scope='module')
def plain_runs():
    return {}


@pytest.fixture
def plain_weights(config, plain_runs, tmp_path):
    """Return the weights of the unchanged settings; trained once."""
    if not plain_runs:
        plain = replace(config, run=str(tmp_path / 'plain'))
        train(plain)
        plain_runs.update(weights_of(plain))
    return plain_runs


@pytest.fixture
def damaged(dataset, tmp_path):
    """Return the data set with one image of COUNT cut off."""
    images = tmp_path / 'images'
    shutil.copytree(dataset.images, images)
    (images / '2.png').write_bytes((images / '2.png').read_bytes()[:50])
    return replace(dataset, images=str(images))


@pytest.mark.parametrize('workers', [0, 1])
def test_an_unreadable_image_ends_the_run_and_is_named(config, damaged, workers):
    config = replace(config, datasets=(damaged,), workers=workers)
    with pytest.raises(ValueError, match=r'^/.*/2\.png: is not an image that can be read: .'):
        train(config)


@pytest.mark.parametrize('workers', [0, 1])
def test_an_unreadable_image_may_be_skipped_and_counted(config, damaged, workers, capfd):
    train(replace(config, datasets=(damaged,), workers=workers, on_unreadable_image='skip'))
    # Four steps of two images are two rounds of COUNT.
    assert sum(entry['unreadable_images'] for entry in metrics_of(config)) == 2
    assert capfd.readouterr().err.count('skipped: ' + damaged.images + '/2.png: is not') == 2


def test_nothing_to_read(config, damaged):
    for path in Path(damaged.images).glob('*.png'):
        path.unlink()
    config = replace(config, datasets=(damaged,), workers=1, on_unreadable_image='skip')
    with pytest.raises(ValueError, match=r'^none of 4 samples can be read.*no such image$') as e:
        train(config)
    assert 'Traceback' in str(e.value.__cause__)  # that of the worker
    assert not multiprocessing.active_children()  # though the error is still there


def test_a_data_set_teaches_what_it_is_for(config, dataset):
    train(replace(config, datasets=(replace(dataset, tasks=('pose', 'segmentation')),),
                  frozen=('heads.detection',)))
    losses = metrics_of(config)[-1]['losses']
    assert {name.partition('/')[0] for name in losses} == {'pose', 'segmentation', 'total'}
    with pytest.raises(ValueError, match=r'tasks of /.*\.json: unknown poses .known: detection'):
        replace(config, datasets=(replace(dataset, tasks=('poses',)),))


class Waits(TorchDispatchMode):
    """Names what of a step would wait for a GPU: numbers and shapes that the host has to know."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ('_local_scalar_dense', 'nonzero', 'is_nonzero', 'equal'):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def segmentation_alone(config, **changes):
    tasks = {'segmentation': config.model.tasks['segmentation']}
    return replace(config, model=replace(config.model, tasks=tasks), **changes)


def test_a_step_waits_for_nothing(config, monkeypatch):
    """With the watch of a GPU, that is; of the losses, test_contract tells."""
    monkeypatch.setattr(learner, 'FiniteWatch', lambda scaler, patience: FiniteWatch(scaler, 99))
    update, waits = module._update, Waits()

    def watched(*arguments):
        with waits:
            return update(*arguments)

    monkeypatch.setattr(module, '_update', watched)
    train(segmentation_alone(config, optimizer='sgd'))
    assert not waits.found


def test_an_overflow_of_float16_ends_nothing(config, monkeypatch):
    """The batch is left out: weights, statistics and their averages remain finite."""
    loss, calls = SegmentationTask.loss, []

    def overflowing(task, outputs, targets):
        calls.append(1)
        return {name: value * (math.inf if len(calls) == 2 else 1)
                for name, value in loss(task, outputs, targets).items()}

    monkeypatch.setattr(SegmentationTask, 'loss', overflowing)
    train(segmentation_alone(config, precision='float16'))
    assert len(calls) == 4
    assert all(value.isfinite().all() for value in weights_of(config).values())
    state = torch.load(folder_of(config) / 'checkpoint.pt')
    assert state['scaler']['scale'] <= 2 ** 15


@pytest.mark.parametrize('has_it, expected', [(True, torch.bfloat16), (False, torch.float16)])
def test_on_a_gpu_training_is_in_bfloat16_where_there_is_that(monkeypatch, has_it, expected):
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda including_emulation: has_it)
    pick = learner.pick_training_precision
    assert pick('auto', torch.device('cuda')) == expected
    assert pick('auto', torch.device('cpu')) == torch.float32
    assert pick('float16', torch.device('cuda')) == torch.float16


@pytest.mark.parametrize('change, message', [
    ({'device': 'tpu'}, "device: 'tpu'"), ({'precision': 'int8'}, "precision: 'int8'"),
    ({'datasets': (DatasetConfig('nothing.json', '.'),)}, 'nothing.json'),
    ({'validation': DatasetConfig('nothing.json', '.')}, 'nothing.json'),
    ({'backbone_weights': 'nothing.pth'}, 'nothing.pth'),
    ({'neck_weights': 'nothing.pth'}, 'nothing.pth'),
    ({'frozen': ('nothing',)}, 'frozen: .*nothing'), ({'rates': {'nothing': 1.0}}, 'rates: '),
    ({'initial_weights': 'nothing.safetensors'}, 'nothing.safetensors')])
def test_what_is_not_there(config, change, message):
    with pytest.raises(ValueError, match=message):
        train(replace(config, **change))
    assert not folder_of(config).exists()


def test_scores_in_one_line():
    scores = {'detection': {'AP': 0.25, 'per_class': {'person': 0.5}}, 'pose': {'AP': None},
              'segmentation': {'mIoU': 0.125, 'per_class': {}}, 'images': 3}
    tasks = build_tasks({'detection': {}, 'pose': {}, 'segmentation': {}})
    assert summarise(scores, tasks) == (
        'detection AP 0.250 (person 0.500) pose AP - segmentation mIoU 0.125')
    assert summarise({}, tasks) == ''
