# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The training configurations that are shipped: all load, and have the networks they promise."""

from functools import cache
from pathlib import Path

import pytest
import torch

from mcn_ros.commands.train import read_yaml
from mcn_ros.config import from_dict
from mcn_ros.model import MultiTaskNet
from mcn_ros.trainer.config import TrainConfig
from mcn_ros.vocabulary import COCO_CLASSES

FOLDER = Path(__file__).resolve().parents[2] / 'config' / 'train'
ALL, PERSON, POSE = len(COCO_CLASSES), 1, 17
INSTANCES, PEOPLE = 'instances', 'person_keypoints'

# The networks of tables 1 to 3 of the MCN paper and its mixed model: number of classes (joints
# for pose) per head, and the annotations that they learn from.
COCO_NETWORKS = {
    'seg': ({'segmentation': ALL}, [INSTANCES]),
    'det': ({'detection': ALL}, [INSTANCES]),
    'seg_det': ({'detection': ALL, 'segmentation': ALL}, [INSTANCES]),
    'person_seg': ({'segmentation': PERSON}, [PEOPLE]),
    'person_det': ({'detection': PERSON}, [PEOPLE]),
    'person_seg_det': ({'detection': PERSON, 'segmentation': PERSON}, [PEOPLE]),
    'person_det_pose': ({'detection': PERSON, 'pose': POSE}, [PEOPLE]),
    'person_seg_det_pose': (
        {'detection': PERSON, 'pose': POSE, 'segmentation': PERSON}, [PEOPLE]),
    'mixed': ({'detection': ALL, 'pose': POSE, 'segmentation': ALL}, [INSTANCES, PEOPLE]),
    'mixed_async': ({'detection': ALL, 'pose': POSE, 'segmentation': ALL}, [INSTANCES, PEOPLE]),
}
EACH_NETWORK = pytest.mark.parametrize('name', COCO_NETWORKS)

IMAGES, EPOCHS, DROPS = 118287, 140, (90, 120)  # of COCO 2017, and CenterNet's schedule


@cache
def load(name):
    return from_dict(TrainConfig, read_yaml(FOLDER / f'{name}.yaml'))


@cache
def build(name):
    with torch.device('meta'):  # shapes only
        return MultiTaskNet(load(name).model)


@pytest.mark.parametrize('name', sorted(path.stem for path in FOLDER.glob('*.yaml')))
def test_every_configuration_is_valid(name):
    config = load(name)
    model = build(name)
    assert config.run.startswith('runs/')
    names = [parameter for parameter, _ in model.named_parameters()]
    for prefix in config.rates:
        assert any(parameter.startswith(prefix) for parameter in names), prefix
    assert {key.partition('/')[0] for key in config.loss_weights} <= set(model.tasks)
    if config.effective_batches:
        assert config.effective_batches.keys() == {'trunk', *model.tasks}


def test_every_network_of_the_paper_has_a_configuration():
    found = {path.stem.removeprefix('coco_') for path in FOLDER.glob('coco_*.yaml')}
    assert found == set(COCO_NETWORKS)


def test_no_two_runs_share_a_folder():
    runs = [load(path.stem).run for path in FOLDER.glob('*.yaml')]
    assert len(set(runs)) == len(runs)


@EACH_NETWORK
def test_heads_and_classes(name):
    config, model = load(f'coco_{name}'), build(f'coco_{name}')
    channels = {'detection': ('heatmap', 0), 'pose': ('joint_heatmap', 0),
                'segmentation': ('logits', 1)}  # background is one more
    with torch.device('meta'):
        outputs = model(torch.empty(1, 3, *config.model.input_size))
    found = {task: maps[channels[task][0]] for task, maps in outputs.items()}
    heads, _ = COCO_NETWORKS[name]
    assert {task: maps.shape[1] - channels[task][1] for task, maps in found.items()} == heads
    if 'segmentation' in heads:
        assert found['segmentation'].shape[2:] == config.model.input_size == (512, 512)
    if heads.get('detection') == PERSON or heads.get('segmentation') == PERSON:
        assert all(task.classes == ('person',) for key, task in model.tasks.items()
                   if key != 'pose')
    assert all(task.head.width == 64 for task in model.tasks.values())


@EACH_NETWORK
def test_annotations(name):
    config, (_, kinds) = load(f'coco_{name}'), COCO_NETWORKS[name]
    assert [dataset.annotations for dataset in config.datasets] == [
        f'coco/annotations/{kind}_train2017.json' for kind in kinds]
    assert {dataset.images for dataset in config.datasets} == {'coco/train2017'}
    assert config.validation.annotations == f'coco/annotations/{kinds[0]}_val2017.json'
    assert config.validation.images == 'coco/val2017'


@EACH_NETWORK
def test_schedule(name):
    config = load(f'coco_{name}')
    assert config.steps == round(EPOCHS * IMAGES / config.batch_size)
    assert config.milestones == tuple(
        round(epochs * IMAGES / config.batch_size) for epochs in DROPS)
    assert (config.schedule, config.optimizer) == ('step', 'adam')
    assert (config.learning_rate, config.weight_decay, config.warmup_steps) == (5e-4, 0, 0)
    assert bool(config.effective_batches) == name.endswith('async')
