# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A network learns from the maps of another one, beside its labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mcn_ros.data.batch import collate
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.structures import ClassMap, Sample
from mcn_ros.tasks import build_tasks
from mcn_ros.trainer.step import backward
from mcn_ros.trainer.teacher import Teacher
from mcn_ros.trainer.train import train
from mcn_ros.weights_file import load_model, save_model

CLASSES = ('person', 'car')
NO_SCALING = torch.amp.GradScaler('cpu', enabled=False)


def network(seed=0, channels=8, **tasks):
    """Return a network that says something of its own, as a trained one does."""
    torch.manual_seed(seed)
    tasks = tasks or {'segmentation': {'classes': CLASSES}, 'pose': {}}
    tasks = {name: {**fields, 'head': {'width': 8}} for name, fields in tasks.items()}
    trunk = TrunkConfig('shufflenet_v2_x0_5', channels=channels)
    model = MultiTaskNet(ModelConfig(tasks, trunk, (64, 64)))
    with torch.no_grad():
        for module in model.heads.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.normal_(std=0.3)
        model.train()(images())  # statistics of the norms
    return model.eval()


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    """Write the weights of a larger network."""
    path = tmp_path_factory.mktemp('teacher') / 'teacher.safetensors'
    save_model(network(1, 16), path)
    return str(path)


def images(count=3):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 64, 64), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize('name, settings', [
    ('segmentation', {'classes': CLASSES}), ('pose', {}), ('detection', {'classes': CLASSES}),
    ('detection', {'classes': CLASSES, 'relative': True})])
def test_the_distance_is_zero_from_oneself_only(name, settings):
    one, other = (network(seed, **{name: settings})(images())[name] for seed in (0, 1))
    distance = build_tasks({name: settings})[name].distance
    assert distance(one, one).item() == pytest.approx(0, abs=1e-7)
    assert distance(one, other) > 1e-5


def test_the_distance_of_labels_is_the_divergence():
    task = build_tasks({'segmentation': {'classes': CLASSES}})['segmentation']
    mine, theirs = torch.randn(2, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    p, q = theirs.softmax(1), mine.softmax(1)
    expected = (p * (p / q).log()).sum(1).mean()
    torch.testing.assert_close(task.distance({'logits': mine}, {'logits': theirs}), expected)


def test_joints_count_where_the_teacher_sees_some():
    task = build_tasks({'pose': {}})['pose']
    theirs = torch.full((1, 17, 8, 8), -12.0)
    theirs[0, 3, 2, 2] = 6
    at_joint, elsewhere = theirs.clone(), theirs.clone()
    at_joint[0, :, 2, 2] -= 3
    elsewhere[0, :, 5, 5] -= 3
    distances = [task.distance({'joint_heatmap': maps}, {'joint_heatmap': theirs}).item()
                 for maps in (at_joint, elsewhere)]
    assert distances[0] > 40 * distances[1] > 0


def test_boxes_count_where_the_teacher_sees_objects():
    task = build_tasks({'detection': {'classes': CLASSES, 'relative': True}})['detection']
    theirs = {'heatmap': torch.full((1, 2, 8, 8), -12.0), 'size': torch.zeros(1, 2, 8, 8),
              'offset': torch.zeros(1, 2, 8, 8)}
    theirs['heatmap'][0, 1, 2, 2] = 6

    def distance(name, row, column):
        mine = {key: values.clone() for key, values in theirs.items()}
        mine[name][0, :, row, column] += 1.0
        return task.distance(mine, theirs).item()
    for name in ('size', 'offset'):  # 0.5 for each of two numbers
        assert distance(name, 2, 2) == pytest.approx(1.0, rel=0.02)
        assert distance(name, 5, 5) < 1e-4


def labelled(model):
    """Return a batch of which the second image has no labels."""
    seen = ClassMap(np.ones((64, 64), np.uint8))
    return collate([Sample(image.permute(1, 2, 0).numpy(),
                           {} if number == 1 else {'segmentation': seen})
                    for number, image in enumerate(images())], model.tasks)


@pytest.mark.parametrize('way', [{}, {'joint': True}, {'checkpoint': True}])
def test_gradients_are_those_of_the_labels_and_of_all_images(path, way):
    model = network(segmentation={'classes': CLASSES})
    batch = labelled(model)
    teacher = Teacher(path, {'segmentation': 3.0}, model)
    assert teacher.weights == {'segmentation/teacher': 3.0}
    task = model.tasks['segmentation']
    maps = model(batch.images)['segmentation']
    theirs = load_model(path, ['segmentation'])(batch.images)['segmentation']
    distance = task.distance(maps, {key: value.detach() for key, value in theirs.items()})
    own = task.loss({'logits': maps['logits'][[0, 2]]}, batch.targets['segmentation'])[
        'cross_entropy']
    (2 * own + 3 * distance).backward()
    expected = {name: value.grad for name, value in model.named_parameters()}
    model.zero_grad()
    losses = backward(model, batch, {'segmentation/cross_entropy': 2, **teacher.weights},
                      scaler=NO_SCALING, teacher=teacher, **way)
    torch.testing.assert_close(
        losses, {'segmentation/cross_entropy': own.detach(),
                 'segmentation/teacher': distance.detach()})
    for name, value in model.named_parameters():
        torch.testing.assert_close(value.grad, expected[name], rtol=1e-4, atol=1e-5)
    assert all(value.grad is None for value in teacher.parameters())


def test_what_the_teacher_says_is_learned(path):
    model = network(segmentation={'classes': CLASSES})
    teacher, batch = Teacher(path, {'segmentation': 1.0}, model), labelled(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    distances = []
    for _ in range(25):
        optimizer.zero_grad()
        losses = backward(model, batch, {'segmentation/cross_entropy': 0, **teacher.weights},
                          scaler=NO_SCALING, teacher=teacher)
        distances.append(losses['segmentation/teacher'].item())
        optimizer.step()
    assert distances[-1] < 0.5 * distances[0]


@pytest.mark.parametrize('tasks, words', [
    ({'segmentation': {'classes': ('person',)}}, 'segmentation in .* has another classes'),
    ({'segmentation': {'classes': CLASSES, 'full_resolution': True}}, 'another full_resolution')])
def test_a_teacher_of_something_else_is_refused(path, tasks, words):
    with pytest.raises(ValueError, match=f'^teacher: .*{words}'):
        Teacher(path, {'segmentation': 1.0}, network(**tasks))


def test_a_teacher_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match='no such file'):
        Teacher(str(tmp_path / 'nobody'), {'pose': 1.0}, network())


@pytest.mark.parametrize('changes, words', [
    ({'teacher': 'w.safetensors'}, 'teacher, teach: '), ({'teach': {'pose': 1.0}}, 'teacher, '),
    ({'teacher': 'w', 'teach': {'saliency': 1.0}},
     r'teach: unknown saliency \(known: detection, pose, segmentation\)')])
def test_settings_that_make_no_sense(config, changes, words):
    with pytest.raises(ValueError, match=words):
        replace(config, **changes)


def test_a_training_with_a_teacher_goes_on_as_if_it_had_not_stopped(config, path, monitors):
    config = replace(config, teacher=path, teach={'segmentation': 2.0, 'pose': 0.5},
                     schedule='constant')
    whole = replace(config, run=config.run + '-whole')
    train(whole)
    losses = [call for call in monitors[0].calls if call[0] == 'losses'][-1][2]
    assert losses['segmentation/teacher'] > 0 and losses['pose/teacher'] > 0
    train(replace(config, steps=2))
    train(config, resume=True)
    first, second = (load_model(f'{run.run}/weights.safetensors').state_dict()
                     for run in (config, whole))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not any('teacher' in name for name in first)


def test_what_is_taught_is_learned_without_any_label(path):
    model = network(segmentation={'classes': CLASSES}, pose={})
    teacher, batch = Teacher(path, {'pose': 1.0}, model), labelled(model)
    losses = backward(model, batch, {'segmentation/cross_entropy': 0, **teacher.weights},
                      scaler=NO_SCALING, teacher=teacher)
    assert set(losses) == {'segmentation/cross_entropy', 'pose/teacher'}
    for part in (model.heads['pose'], model.trunk):
        assert any(value.grad is not None and value.grad.any() for value in part.parameters())
