# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Whole runs on a tiny data set: what they write, and that they go on where they stopped."""

from dataclasses import replace
import json

import cv2
import numpy as np
import pytest
import torch
import yaml

from mcn_ros.config import from_dict, to_dict
from mcn_ros.model import load_model, ModelConfig, MultiTaskNet, save_model
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.trainer import train as module
from mcn_ros.trainer.train import DatasetConfig, summarise, train, TrainConfig
from mcn_ros.vocabulary import COCO_SKELETON

COUNT = 4


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    """Write a few noisy images, each with a person and a car, fully labelled."""
    folder, rng = tmp_path_factory.mktemp('data'), np.random.default_rng(0)
    images, annotations = [], []
    for i in range(1, COUNT + 1):
        cv2.imwrite(str(folder / f'{i}.png'), rng.integers(0, 256, (64, 64, 3), np.uint8))
        images.append({'id': i, 'file_name': f'{i}.png', 'width': 64, 'height': 64})
        for category in (1, 3):
            x, y, width, height = rng.integers([0, 0, 20, 20], [30, 30, 33, 33]).tolist()
            outline = [x, y, x + width, y, x + width, y + height, x, y + height]
            annotations.append({
                'id': len(annotations) + 1, 'image_id': i, 'category_id': category,
                'bbox': [x, y, width, height], 'area': width * height, 'iscrowd': 0,
                'segmentation': [outline]})
        points = np.hstack([rng.uniform(5, 60, (17, 2)), np.full((17, 1), 2)])
        annotations[-2] |= {'keypoints': points.ravel().tolist(), 'num_keypoints': 17}
    categories = [{'id': 1, 'name': 'person', 'keypoints': list(COCO_SKELETON.keypoint_names)},
                  {'id': 3, 'name': 'car'}]
    path = folder / 'annotations.json'
    path.write_text(json.dumps(
        {'images': images, 'annotations': annotations, 'categories': categories}))
    return DatasetConfig(str(path), str(folder))


@pytest.fixture
def config(dataset, tmp_path):
    classes = ('person', 'car')
    tasks = {'detection': {'classes': classes}, 'pose': {}, 'segmentation': {'classes': classes}}
    tasks = {name: {**fields, 'head': {'width': 8}} for name, fields in tasks.items()}
    trunk = TrunkConfig('shufflenet_v2_x0_5', channels=16)
    return TrainConfig(
        str(tmp_path / 'run'), ModelConfig(tasks, trunk, (64, 64)), (dataset,),
        train_size=(64, 64), steps=4, batch_size=2, warmup_steps=2, workers=0, save_every=2,
        validate_every=100, device='cpu')


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
    return module.Path(config.run)


def weights_of(config):
    return load_model(folder_of(config) / 'weights.safetensors').state_dict()


def assert_equal(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def metrics_of(config):
    return json.loads((folder_of(config) / 'metrics.json').read_text())


def interrupted(config, monkeypatch, after):
    """Run, and stop as if by Ctrl-C after some steps."""
    done, real = [], module.train_step

    def step(*args):
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(None)
        return real(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, 'train_step', step)
        train(config)


def test_a_run_writes_what_it_learned(config, dataset):
    config = replace(config, steps=5, validation=dataset, validate_every=3)
    scores = train(config)
    assert {path.name for path in folder_of(config).iterdir()} == {
        'config.yaml', 'checkpoint.pt', 'weights.safetensors', 'metrics.json'}
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


def test_a_run_is_determined_by_its_seed(config, tmp_path):
    train(config)
    again = replace(config, run=str(tmp_path / 'again'))
    train(again)
    assert_equal(weights_of(config), weights_of(again))
    other = replace(config, run=str(tmp_path / 'other'), seed=1)
    train(other)
    with pytest.raises(AssertionError):
        assert_equal(weights_of(config), weights_of(other))


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(config, tmp_path, monkeypatch):
    train(config)
    stopped = replace(config, run=str(tmp_path / 'stopped'))
    interrupted(stopped, monkeypatch, after=3)
    assert [entry['step'] for entry in metrics_of(stopped)] == [2]
    train(stopped, resume=True)
    assert_equal(weights_of(stopped), weights_of(config))
    assert metrics_of(stopped) == metrics_of(config)
    before = weights_of(stopped)
    assert train(stopped, resume=True) == {}  # done already
    assert_equal(weights_of(stopped), before)


def test_a_run_can_be_prolonged(config):
    train(config)
    train(replace(config, steps=6), resume=True)
    assert [entry['step'] for entry in metrics_of(config)] == [2, 4, 6]
    assert yaml.safe_load((folder_of(config) / 'config.yaml').read_text())['steps'] == 6


def test_a_used_folder_is_refused(config):
    train(config)
    before = weights_of(config)
    with pytest.raises(ValueError, match=f'{config.run} holds a run already; resume it or choose'):
        train(replace(config, seed=5))
    assert_equal(weights_of(config), before)


def test_there_must_be_something_to_resume(config):
    with pytest.raises(ValueError, match=f'{config.run} has no checkpoint to resume from'):
        train(config, resume=True)


def test_a_run_that_never_saved_can_be_started_again(config, monkeypatch):
    interrupted(config, monkeypatch, after=1)
    train(config)
    assert [entry['step'] for entry in metrics_of(config)] == [2, 4]


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


def test_a_loss_that_is_not_finite_ends_the_run_and_names_images(config):
    config = replace(config, loss_weights={'pose/size': 1e39})  # infinite in float32
    with pytest.raises(FloatingPointError, match=r'^loss is not finite: .*; images \d, \d$'):
        train(config)
    assert not (folder_of(config) / 'weights.safetensors').exists()


def test_unlabelled_images_are_no_problem(config, dataset, tmp_path):
    partial = partially(dataset, tmp_path, [[], [], ['pose'], ['detection:car']])
    config = replace(config, datasets=(partial,), batch_size=1, steps=8, save_every=8)
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


def test_the_learning_rate_rises_and_falls(config):
    config = replace(config, steps=100, warmup_steps=10)
    rates = [module._rate(step, config) for step in range(100)]
    assert rates[0] == 0.1 and rates[9] == rates[10] == 1.0
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(0.5) and 0 < rates[99] < 0.001
    assert module._rate(0, replace(config, warmup_steps=0)) == 1.0


def test_a_backbone_may_learn_more_slowly(config):
    train(replace(config, rates={'trunk.backbone': 0.0}, ema_decay=0.0, weight_decay=0.5))
    torch.manual_seed(config.seed)
    start, found = MultiTaskNet(config.model), weights_of(config)
    for name, value in start.named_parameters():
        assert torch.equal(found[name], value) == name.startswith('trunk.backbone.'), name


def test_every_parameter_is_trained_once(config):
    model = MultiTaskNet(config.model)
    rates = {'trunk': 0.5, 'trunk.backbone': 0.1, 'heads.pose.maps.size': 10.0}
    optimizer = module.build_optimizer(replace(config, rates=rates), model)
    found = {id(p): group['lr'] / config.learning_rate
             for group in optimizer.param_groups for p in group['params']}
    assert sum(len(group['params']) for group in optimizer.param_groups) == len(found)
    expected = {'trunk.backbone.': 0.1, 'trunk.neck.': 0.5, 'heads.pose.maps.size.': 10.0,
                'heads.pose.maps.offset.': 1.0, 'heads.detection.': 1.0}
    for name, parameter in model.named_parameters():
        for prefix, rate in expected.items():
            if name.startswith(prefix):
                assert found[id(parameter)] == pytest.approx(rate), name


def test_a_rate_for_nothing_is_refused(config):
    with pytest.raises(ValueError, match=r'rates: .* begins with heads\.depth .*heads\.pose'):
        module.build_optimizer(replace(config, rates={'heads.depth': 2.0}),
                               MultiTaskNet(config.model))


def test_the_running_average_forgets_its_start():
    update = module.running_average(0.99)
    average = torch.tensor([100.0])  # random weights
    for count in range(1, 50):
        average = update(average, torch.tensor([1.0]), torch.tensor(count))
    assert average.item() == pytest.approx(1.0, abs=0.01)
    average = update(torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor(10 ** 6))
    assert average.item() == pytest.approx(1.01)


@pytest.mark.parametrize('change, message', [
    ({'steps': 0}, 'steps: 0 is not positive'), ({'batch_size': -1}, 'batch_size'),
    ({'save_every': 0}, 'save_every'), ({'validate_every': 0}, 'validate_every'),
    ({'datasets': ()}, 'datasets: none given'),
    ({'train_size': (64, 60)}, r'train_size: \(64, 60\) are no positive multiples of 32')])
def test_bad_values(config, change, message):
    with pytest.raises(ValueError, match=message):
        replace(config, **change)


@pytest.mark.parametrize('change, message', [
    ({'device': 'tpu'}, "device: 'tpu'"), ({'precision': 'int8'}, "precision: 'int8'"),
    ({'datasets': (DatasetConfig('nothing.json', '.'),)}, 'nothing.json'),
    ({'validation': DatasetConfig('nothing.json', '.')}, 'nothing.json'),
    ({'backbone_weights': 'nothing.pth'}, 'nothing.pth'),
    ({'initial_weights': 'nothing.safetensors'}, 'nothing.safetensors')])
def test_what_is_not_there(config, change, message):
    with pytest.raises(ValueError, match=message):
        train(replace(config, **change))


def test_scores_in_one_line():
    scores = {'detection': {'AP': 0.25, 'per_class': {'person': 0.5}}, 'pose': {'AP': None},
              'segmentation': {'mIoU': 0.125, 'per_class': {}}, 'images': 3}
    assert summarise(scores) == (
        'detection AP 0.250 (person 0.500) pose AP 0.000 segmentation mIoU 0.125')
    assert summarise({}) == ''
