# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a network knew is the target while it learns something else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mcn_ros.data.batch import collate
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.nanodet import CHANNELS, Detector
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.structures import ClassMap, Sample
from mcn_ros.trainer.retention import RetentionLoss
from mcn_ros.trainer.step import backward
from mcn_ros.trainer.train import train
from mcn_ros.weights_file import load_model, save_model

PART = 'trunk.neck.detector'
NO_SCALING = torch.amp.GradScaler('cpu', enabled=False)
TRUNK = TrunkConfig('shufflenet_v2_x0_5', 'nanodet_joint', CHANNELS + 8)


def network():
    torch.manual_seed(0)
    task = {'classes': ['person'], 'head': {'layout': 'shared', 'width': 8}}
    return MultiTaskNet(ModelConfig({'segmentation': task}, TRUNK, (64, 64))).eval()


def images(seed=0):
    return torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(seed),
                         dtype=torch.uint8)


def loss_of(retention, model):
    model.features(images(), ['segmentation'])
    return retention.losses(images(), ['segmentation'])


def test_nothing_is_forgotten_at_first():
    model = network()
    retention = RetentionLoss(model, {PART: 3.0})
    assert retention.weights == {f'keep/{PART}': 3.0}
    assert loss_of(retention, model)[f'keep/{PART}'] == 0


def test_what_is_forgotten_can_be_learned_again():
    model = network()
    retention = RetentionLoss(model, {PART: 1.0})
    with torch.no_grad():
        for parameter in model.trunk.parameters():
            parameter += 0.02 * torch.randn(parameter.shape)
    optimizer = torch.optim.Adam(model.trunk.parameters(), lr=1e-3)
    losses = []
    for _ in range(25):
        losses.append(loss_of(retention, model)[f'keep/{PART}'])
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[0] > 0.01 and losses[-1] < 0.5 * losses[0]


def test_the_beginning_outlives_a_resumption():
    model = network()
    retention = RetentionLoss(model, {PART: 1.0})
    state = {name: value.clone() for name, value in retention.state_dict().items()}
    with torch.no_grad():
        model.trunk.backbone.stages[0][0][0].weight += 1
    assert all(torch.equal(value, state[name]) for name, value in retention.state_dict().items())
    forgotten = loss_of(retention, model)[f'keep/{PART}']
    later = RetentionLoss(model, {PART: 1.0})
    assert loss_of(later, model)[f'keep/{PART}'] == 0
    later.load_state_dict(state)
    assert loss_of(later, model)[f'keep/{PART}'] == forgotten > 0


def people(backbone='mobilenet_v2_x1_0_same', channels=24, mean=0.5):
    torch.manual_seed(0)
    tasks = {'pose': {'kind': 'window_pose', 'head': {'layout': 'separable', 'width': 8}}}
    return MultiTaskNet(ModelConfig(tasks, TrunkConfig(backbone, 'movenet', channels), (64, 64),
                                    mean=(mean,) * 3)).eval()


def keep_neck(model, path):
    retention = RetentionLoss(model, {'trunk.neck': 1.0}, path)
    model.features(images(), ['pose'])
    return retention.losses(images(), ['pose'])['keep/trunk.neck']


def test_another_network_may_say_what_to_answer(tmp_path):
    model, path = people(), str(tmp_path / 'other.safetensors')
    # It sees the same images, as it is used to see them, through a backbone of its own.
    other = people('mobilenet_v2_x1_5_same', mean=0.4)
    save_model(other, path)
    loss = keep_neck(model, path)
    loss.backward()
    assert loss > 0.1 and next(model.trunk.parameters()).grad.any()
    assert keep_neck(other, path) == 0


@pytest.mark.parametrize('other, message', [
    (lambda: people(channels=16), 'the trunk of .* gives features of other shapes'),
    (network, 'heads: pose')])
def test_another_network_that_says_something_else_is_refused(other, message, tmp_path):
    path = str(tmp_path / 'other.safetensors')
    save_model(other(), path)
    with pytest.raises(ValueError, match=message):
        RetentionLoss(people(), {'trunk.neck': 1.0}, path)


def test_each_level_of_a_pyramid_counts_by_its_own_scale():
    neck = people().trunk.neck
    maps = {name: torch.randn(1, 4, 8, 8) for name in neck.shapes}
    nearly = {name: values + 0.1 * values.std() for name, values in maps.items()}
    assert neck.distance(maps, maps) == 0
    assert neck.distance(nearly, maps).item() == pytest.approx(0.01, rel=1e-4)
    louder = [{name: 10 * each[name] for name in maps} for each in (nearly, maps)]
    assert neck.distance(*louder).item() == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize('part', ['trunk.neck', 'trunk.head', 'heads.segmentation'])
def test_a_part_that_cannot_be_kept_is_refused(part):
    with pytest.raises(ValueError, match=f'keep: {part}: .*known: {PART}'):
        RetentionLoss(network(), {part: 1.0})


@pytest.mark.parametrize('way', [{}, {'joint': True}, {'checkpoint': True}])
def test_gradients_are_those_of_the_sum(way):
    model = network()
    retention = RetentionLoss(model, {PART: 1.0})
    with torch.no_grad():
        model.trunk.neck.detector.pyramid.lateral[0].weight += 0.1
    batch = collate([Sample(image.permute(1, 2, 0).numpy(), {
        'segmentation': ClassMap(np.ones((64, 64), np.uint8))}) for image in images()],
        model.tasks)

    maps = model(batch.images, batch.rows)['segmentation']
    kept = retention.losses(batch.images, ['segmentation'])[f'keep/{PART}']
    own = model.tasks['segmentation'].loss(maps, batch.targets['segmentation'])['cross_entropy']
    (2 * own + 3 * kept).backward()
    expected = {name: value.grad for name, value in model.named_parameters()}
    model.zero_grad()
    losses = backward(model, batch, {'segmentation/cross_entropy': 2, f'keep/{PART}': 3},
                      scaler=NO_SCALING, retention=retention, **way)
    assert losses == {f'keep/{PART}': kept, 'segmentation/cross_entropy': own}
    for name, value in model.named_parameters():
        torch.testing.assert_close(value.grad, expected[name], rtol=1e-4, atol=1e-5)


def test_images_without_labels_teach_nothing():
    model = network()
    retention = RetentionLoss(model, {PART: 1.0})
    batch = collate([Sample(np.zeros((64, 64, 3), np.uint8), {})], model.tasks)
    assert backward(model, batch, {}, scaler=NO_SCALING, retention=retention) == {}


def test_a_stream_is_kept_where_its_tasks_are_labelled():
    torch.manual_seed(0)
    stream = {'backbone': TRUNK.backbone, 'neck': TRUNK.neck, 'channels': TRUNK.channels}
    tasks = {name: {'classes': ['person'], 'head': {'layout': 'shared', 'width': 8}}
             for name in ('detection', 'segmentation')}
    model = MultiTaskNet(ModelConfig(tasks, {'kind': 'separate', 'streams': {
        'objects': {**stream, 'tasks': ['detection']},
        'things': {**stream, 'tasks': ['segmentation']}}}, (64, 64)))
    part = 'trunk.objects.neck.detector'
    retention = RetentionLoss(model, {part: 1.0})
    for tasks, losses in ((['segmentation'], set()), (['detection'], {f'keep/{part}'})):
        model.features(images(), tasks)
        assert retention.losses(images(), tasks).keys() == losses


def answer(seed):
    generator = torch.Generator().manual_seed(seed)
    return ([torch.randn(1, 4, side, side, generator=generator) for side in (8, 4, 2)],
            torch.randn(1, CHANNELS, 16, 16, generator=generator))


def test_the_distance_of_answers():
    distance, same, other = Detector((1, 1, 1)).distance, answer(0), answer(1)
    assert distance(same, same) == 0 < distance(other, same)
    # Where no object is likely, what is said of boxes does not matter, nor how unlikely it is.
    (features, readings), empty = answer(0), answer(0)[1]
    empty[:, :80, 8:] = -20
    moved = empty.clone()
    moved[:, :80, 8:] -= 5
    moved[:, 80:, 8:] += 3
    assert distance((features, moved), (features, empty)) < 1e-6
    moved[:, 80:, :8] += 3
    assert distance((features, moved), (features, empty)).item() == pytest.approx(4 * 3)
    # A feature map counts by its own scale.
    louder = [10 * same[0][0], *same[0][1:]]
    twice = [2 * louder[0], *same[0][1:]]
    expected = distance(([2 * same[0][0], *same[0][1:]], readings), (same[0], readings))
    assert distance((twice, readings), (louder, readings)).item() == pytest.approx(
        expected.item())


def test_a_training_keeps_and_goes_on_keeping(config, monitors, monkeypatch):
    tasks = {'segmentation': {'classes': ('person', 'car'), 'head': {'width': 8}}}
    config = replace(config, model=ModelConfig(tasks, TRUNK, (64, 64)), keep={PART: 2.0})
    whole = replace(config, run=config.run + '-whole')
    train(whole)
    steps = [call for call in monitors[0].calls if call[0] == 'losses']
    losses = steps[-1][2]
    assert losses['total'] == pytest.approx(
        5 * losses['segmentation/cross_entropy'] + 2 * losses[f'keep/{PART}'])
    assert losses[f'keep/{PART}'] > 0
    train(replace(config, steps=2, schedule='constant'))
    train(replace(config, schedule='constant'), resume=True)
    train(replace(config, run=config.run + '-at-once', schedule='constant'))
    first, second = (load_model(f'{config.run}{name}/weights.safetensors').state_dict()
                     for name in ('', '-at-once'))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_nothing_is_kept_of_another_network_without_a_part(config):
    with pytest.raises(ValueError, match='keep_of: without keep'):
        replace(config, keep_of='other.safetensors')


def test_keep_needs_updates_after_every_batch(config):
    with pytest.raises(ValueError, match='keep: not together with effective_batches'):
        replace(config, keep={PART: 1.0}, effective_batches={
            'trunk': 2, 'detection': 2, 'pose': 2, 'segmentation': 2})
