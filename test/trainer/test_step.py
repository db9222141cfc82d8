# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One update: what it adds up, what it changes, and when it refuses."""

import math

import numpy as np
import pytest
import torch

from mcn_ros.data.batch import collate
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.structures import ClassMap, Instances, Poses, Sample
from mcn_ros.trainer.step import batch_losses, LOSS_WEIGHTS, train_step, weighted_sum

LOSSES = {'detection': {'heatmap', 'size', 'offset'},
          'pose': {'heatmap', 'size', 'offset', 'displacement', 'joint_heatmap', 'joint_offset'},
          'segmentation': {'cross_entropy'}}


@pytest.fixture
def model():
    torch.manual_seed(0)
    tasks = {'detection': {'classes': ('person', 'car')}, 'pose': {},
             'segmentation': {'classes': ('person',)}}
    tasks = {name: {**fields, 'head': {'width': 8}} for name, fields in tasks.items()}
    trunk = TrunkConfig('shufflenet_v2_x0_5', channels=16)
    return MultiTaskNet(ModelConfig(tasks, trunk, (64, 64)))


def sample(names, seed=0):
    rng = np.random.default_rng(seed)
    boxes = np.array([[4, 8, 40, 60], [20, 10, 60, 30]], np.float32)
    ones = np.ones(2, np.float32)
    annotations = {
        'detection': Instances(boxes, np.array([0, 1]), ones),
        'pose': Poses(boxes, ones, rng.uniform(10, 50, (2, 17, 2)).astype(np.float32),
                      np.ones((2, 17), np.float32)),
        'segmentation': ClassMap(rng.integers(0, 2, (64, 64)).astype(np.uint8))}
    return Sample(rng.integers(0, 256, (64, 64, 3), np.uint8),
                  {name: annotations[name] for name in names}, f'image-{seed}')


def step(model, batch, learning_rate=0.01, weights=LOSS_WEIGHTS, max_norm=35.0):
    optimizer = torch.optim.SGD(model.parameters(), learning_rate)
    scaler = torch.amp.GradScaler('cpu', enabled=False)
    return train_step(model, batch, optimizer, weights, scaler, None, max_norm)


def parameters(model):
    return torch.cat([value.detach().flatten() for value in model.parameters()]).clone()


def test_losses_are_named_by_task(model):
    batch = collate([sample(LOSSES)], model.tasks)
    losses = batch_losses(model, batch)
    assert losses.keys() == {f'{task}/{name}' for task, names in LOSSES.items() for name in names}


def test_a_task_that_no_image_is_labelled_for_has_no_loss(model):
    batch = collate([sample(['pose']), sample(['segmentation'], 1)], model.tasks)
    assert {name.partition('/')[0] for name in batch_losses(model, batch)} == {
        'pose', 'segmentation'}


def test_the_total_is_that_of_the_paper():
    # L_center + 0.1 L_size + L_off + L_keyp + L_keyp_off + 5 L_seg.
    losses = {'detection/heatmap': 1.0, 'detection/size': 10.0, 'detection/offset': 100.0,
              'pose/joint_heatmap': 1e3, 'pose/joint_offset': 1e4,
              'segmentation/cross_entropy': 1e5}
    losses = {name: torch.tensor(value) for name, value in losses.items()}
    assert weighted_sum(losses, LOSS_WEIGHTS) == 1 + 1 + 100 + 1e3 + 1e4 + 5e5
    # Weights name losses that there are.
    assert LOSS_WEIGHTS.keys() <= {f'{task}/{loss}' for task in LOSSES for loss in LOSSES[task]}
    assert weighted_sum(losses, {'detection/heatmap': 0.0}) == sum(losses.values()) - 1


def test_a_step_follows_the_gradient_of_the_total(model):
    batch = collate([sample(LOSSES), sample(['detection'], 1)], model.tasks)
    total = weighted_sum(batch_losses(model.train(), batch), LOSS_WEIGHTS)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(total, model.parameters())])
    before = parameters(model)
    losses = step(model, batch, 0.01, max_norm=math.inf)
    torch.testing.assert_close(parameters(model), before - 0.01 * gradient, rtol=1e-3, atol=1e-5)
    assert losses.pop('total') == pytest.approx(total.item(), rel=1e-4)
    assert all(isinstance(value, float) for value in losses.values())
    assert losses.keys() == batch_losses(model, batch).keys()


def test_a_step_is_no_longer_than_allowed(model):
    batch = collate([sample(LOSSES)], model.tasks)
    before = parameters(model)
    step(model, batch, learning_rate=1.0, max_norm=0.1)
    assert (parameters(model) - before).norm().item() == pytest.approx(0.1, rel=1e-3)


def test_gradients_do_not_accumulate_over_steps(model):
    batch = collate([sample(LOSSES)], model.tasks)
    for value in model.parameters():
        value.grad = torch.full_like(value, 1e6)
    before = parameters(model)
    step(model, batch, learning_rate=1e-6, max_norm=math.inf)
    assert (parameters(model) - before).norm() < 0.1


def test_an_unlabelled_batch_changes_nothing(model):
    batch = collate([sample([]), sample([], 1)], model.tasks)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert step(model, batch) == {}
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize('bad', [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_refused(model, bad):
    batch = collate([sample(LOSSES), sample(['segmentation'], 1)], model.tasks)
    with torch.no_grad():
        model.heads['segmentation'].maps['logits'][-1].bias[0] = bad
    before = parameters(model)
    with pytest.raises(FloatingPointError) as info:
        step(model, batch)
    assert str(info.value) == (
        'loss is not finite: segmentation/cross_entropy; images image-0, image-1')
    assert torch.equal(parameters(model).nan_to_num(7.0), before.nan_to_num(7.0))


def test_steps_lower_the_loss(model):
    batch = collate([sample(LOSSES)], model.tasks)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    scaler = torch.amp.GradScaler('cpu', enabled=False)
    totals = [train_step(model, batch, optimizer, LOSS_WEIGHTS, scaler, torch.bfloat16, 35.0)
              for _ in range(12)]
    assert totals[-1]['total'] < 0.7 * totals[0]['total']
