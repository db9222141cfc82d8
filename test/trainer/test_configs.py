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
# With the numbers of CenterNet's code: heads, annotations, images and batches of an epoch.
CENTERNET = {
    'det_centernet': ({'detection': 'centernet_detection'}, INSTANCES, 924, False),
    'person_seg_det_pose_centernet': (
        {'detection': 'centernet_detection', 'pose': 'centernet_pose',
         'segmentation': 'segmentation'}, PEOPLE, 500, True)}
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
    assert found == {*COCO_NETWORKS, *CENTERNET}


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


@pytest.mark.parametrize('name', CENTERNET)
def test_the_numbers_are_those_of_centernet(name):
    config, (kinds, annotations, batches, annotated_only) = load(f'coco_{name}'), CENTERNET[name]
    tasks, (dataset,) = build(f'coco_{name}').tasks, config.datasets
    assert {key: config.model.tasks[key].get('kind', key) for key in tasks} == kinds
    assert {task.head.width for task in tasks.values()} == {256}
    assert dataset.annotations == f'coco/annotations/{annotations}_train2017.json'
    assert dataset.annotated_only == annotated_only
    assert config.steps == EPOCHS * batches
    assert config.milestones == tuple(epochs * batches for epochs in DROPS)
    assert config.validate_every == 5 * batches
    assert (config.schedule, config.optimizer, config.learning_rate) == ('step', 'adam', 5e-4)
    assert (config.batch_size, config.seed, config.precision) == (128, 317, 'float32')
    assert not any((config.weight_decay, config.warmup_steps, config.max_norm, config.ema_decay))
    model = config.model
    assert (model.channel_order, model.preprocessing) == ('bgr', 'centernet')
    assert model.mean == (0.40789654, 0.44719302, 0.47026115)
    assert model.std == (0.28863828, 0.27408164, 0.27809835)
    assert model.trunk.backbone == 'dla34' and model.trunk.deformable
    assert config.augment.style == 'centernet' and config.train_size == (512, 512)
    assert config.backbone_weights == 'dla34-ba72cf86.pth'


def test_batch_norms_see_more_than_the_image_of_a_gpu():
    config = load('coco_mixed_async')
    assert config.sync_batch_norm and config.batch_size == 8
