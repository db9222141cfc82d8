# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The gradients of one batch: the same on every way through the network, and when refused."""

from dataclasses import replace
import gc
import math

import numpy as np
import pytest
import torch
from torch import nn

from mcn_ros.data.batch import collate
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.features import single
from mcn_ros.network.heads import HeadConfig
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.structures import ClassMap, Instances, Poses, Sample
from mcn_ros.trainer.objective import paper_weights
from mcn_ros.trainer.step import backward

LOSSES = {'detection': {'heatmap', 'size', 'offset'},
          'pose': {'heatmap', 'size', 'offset', 'displacement', 'joint_heatmap', 'joint_offset'},
          'segmentation': {'cross_entropy'}}
FULL = [tuple(LOSSES)] * 2
PARTIAL = [('detection', 'segmentation'), ('pose', 'segmentation'), (), ('pose',)]
NO_SCALING = torch.amp.GradScaler('cpu', enabled=False)


@pytest.fixture
def model():
    """Return a network in double precision: how a machine rounds decides nothing."""
    torch.manual_seed(0)
    tasks = {'detection': {'classes': ('person', 'car')}, 'pose': {},
             'segmentation': {'classes': ('person',)}}
    tasks = {name: {**fields, 'head': {'width': 8}} for name, fields in tasks.items()}
    trunk = TrunkConfig('shufflenet_v2_x0_5', channels=8)
    return MultiTaskNet(ModelConfig(tasks, trunk, (64, 64))).double()


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


def batch_of(model, labels):
    return collate([sample(names, seed) for seed, names in enumerate(labels)], model.tasks)


def run(model, labels, scaler=NO_SCALING, **kwargs):
    """Return losses and the gradients that there are."""
    model.zero_grad()
    losses = backward(model, batch_of(model, labels), paper_weights(model.tasks), scaler=scaler,
                      **kwargs)
    return losses, gradients_of(model)


def gradients_of(model):
    return {name: value.grad for name, value in model.named_parameters()
            if value.grad is not None}


def assert_close(first, second, rtol=1e-7):
    """Compare gradients; some are nothing but rounding, since a batch norm follows."""
    assert first.keys() == second.keys()
    largest = max(value.abs().max().item() for value in second.values())
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=rtol, atol=0.01 * rtol * largest,
                                   msg=lambda text, name=name: f'{name}: {text}')


def test_the_losses_of_the_tasks_have_the_weights_of_the_paper(model):
    # L_center + 0.1 L_size + L_off + L_keyp + L_keyp_off + 5 L_seg.
    losses, _ = run(model, FULL)
    weights = paper_weights(model.tasks)
    assert list(weights) == list(losses)
    assert set(losses) == {f'{task}/{name}' for task, names in LOSSES.items() for name in names}
    assert {name: weight for name, weight in weights.items() if weight != 1} == {
        'detection/size': 0.1, 'pose/size': 0.1, 'segmentation/cross_entropy': 5.0}


@pytest.mark.parametrize('labels', [FULL, PARTIAL], ids=['full', 'partial'])
@pytest.mark.parametrize('joint', [True, False], ids=['joint', 'taskwise'])
def test_gradients_are_those_of_the_total_of_the_paper(model, labels, joint):
    # L_center + 0.1 L_size + L_off + L_keyp + L_keyp_off + 5 L_seg.
    batch, total = batch_of(model, labels), 0
    for task, maps in model(batch.images, batch.rows).items():
        for name, value in model.tasks[task].loss(maps, batch.targets[task]).items():
            total += {'size': 0.1, 'cross_entropy': 5}.get(name, 1) * value
    total.backward()
    expected = gradients_of(model)
    assert len(expected) == len(list(model.parameters()))
    losses, gradients = run(model, labels, joint=joint)
    assert_close(gradients, expected)
    weights = paper_weights(model.tasks)
    assert not any(value.requires_grad for value in losses.values())
    torch.testing.assert_close(sum(weights[name] * losses[name] for name in losses),
                               total.detach())


@pytest.mark.parametrize('checkpoint', [False, True])
def test_stages_at_several_scales_are_gone_back_to(model, checkpoint):
    streams = {'objects': {'tasks': ['detection', 'pose'], 'backbone': 'shufflenet_v2_x0_5'},
               'areas': {'tasks': ['segmentation'], 'backbone': 'shufflenet_v2_x0_5',
                         'scales': [1, 2]}}
    trunk = {'kind': 'separate', 'streams': streams}
    model = MultiTaskNet(replace(model.config, trunk=trunk)).double()
    _, expected = run(model, PARTIAL, joint=True)
    losses, gradients = run(model, PARTIAL, checkpoint=checkpoint)
    assert_close(gradients, expected)
    assert len(gradients) == len(list(model.parameters()))
    with torch.no_grad():  # the loss is that of three maps
        batch = batch_of(model, PARTIAL)
        maps = model(batch.images, batch.rows)['segmentation']
        alone = model.tasks['segmentation'].loss({'logits': maps['logits']},
                                                 batch.targets['segmentation'])
    assert len(maps) == 3
    assert losses['segmentation/cross_entropy'] > 2 * alone['cross_entropy']


@pytest.mark.parametrize('amp, rtol', [(None, 1e-7), (torch.bfloat16, 0.1)])
@pytest.mark.parametrize('checkpoint', [False, True])
def test_task_by_task_the_gradients_are_the_joint_ones(model, checkpoint, amp, rtol):
    expected_losses, expected = run(model, PARTIAL, joint=True, amp=amp)
    losses, gradients = run(model, PARTIAL, checkpoint=checkpoint, amp=amp)
    assert losses == expected_losses
    assert_close(gradients, expected, rtol)


def test_recomputing_changes_no_gradient_at_all(model):
    for amp in (None, torch.bfloat16):
        _, expected = run(model, PARTIAL, amp=amp)
        _, gradients = run(model, PARTIAL, amp=amp, checkpoint=True)
        assert all(torch.equal(value, expected[name]) for name, value in gradients.items())


@pytest.mark.parametrize('checkpoint', [False, True])
@pytest.mark.parametrize('joint', [True, False], ids=['joint', 'taskwise'])
def test_scaled_losses_give_scaled_gradients(model, joint, checkpoint):
    scaler = torch.amp.GradScaler('cpu', init_scale=1024.0)
    losses, expected = run(model, PARTIAL, joint=joint, checkpoint=checkpoint)
    scaled_losses, gradients = run(model, PARTIAL, scaler, joint=joint, checkpoint=checkpoint)
    assert losses == scaled_losses
    assert_close(gradients, {name: 1024 * value for name, value in expected.items()})


@pytest.mark.parametrize('weight', [4.0, torch.tensor(4.0)], ids=['number', 'tensor'])
def test_weights_multiply_gradients_and_not_losses(model, weight):
    losses, expected = run(model, PARTIAL)
    weights = {name: weight * value for name, value in paper_weights(model.tasks).items()}
    model.zero_grad()
    assert backward(model, batch_of(model, PARTIAL), weights, scaler=NO_SCALING) == losses
    assert_close(gradients_of(model), {name: 4 * value for name, value in expected.items()})


def test_gradients_add_up_over_batches(model):
    model.eval()
    _, first = run(model, [('detection',)])
    _, second = run(model, [('pose', 'detection')])
    run(model, [('detection',)])
    backward(model, batch_of(model, [('pose', 'detection')]), paper_weights(model.tasks),
             scaler=NO_SCALING)
    assert_close(gradients_of(model),
                 {name: value + first.get(name, 0) for name, value in second.items()})


@pytest.mark.parametrize('joint', [True, False], ids=['joint', 'taskwise'])
def test_a_task_that_no_image_is_labelled_for_is_left_alone(model, joint):
    calls = []
    for name, head in model.heads.items():
        head.register_forward_hook(lambda *_, name=name: calls.append(name))
    losses, gradients = run(model, [('pose',), ('segmentation',), ()], joint=joint)
    assert calls == ['pose', 'segmentation']
    assert {name.partition('/')[0] for name in losses} == {'pose', 'segmentation'}
    assert {name for name, _ in model.named_parameters()} - gradients.keys() == {
        f'heads.detection.{name}' for name, _ in model.heads['detection'].named_parameters()}


def test_an_unlabelled_batch_changes_nothing(model):
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert run(model, [(), ()]) == ({}, {})
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


class Branching(nn.Module):
    """A trunk that gives pose features of its own, and the other tasks the same."""

    def __init__(self, trunk):
        super().__init__()
        self.trunk, self.own = trunk, nn.Conv2d(8, 8, 1)

    def forward(self, images, tasks, checkpoint=False):
        features = self.trunk(images, tasks, checkpoint)
        return {task: {name: self.own(value) if task == 'pose' else value
                       for name, value in maps.items()} for task, maps in features.items()}


@pytest.mark.parametrize('labels', [FULL, PARTIAL, [('pose',)], [('detection',)]], ids=str)
def test_trunks_may_branch(model, labels):
    model.trunk = Branching(model.trunk).double()
    _, expected = run(model, labels, joint=True)
    _, gradients = run(model, labels)
    assert_close(gradients, expected)
    assert ('trunk.own.weight' in gradients) == any('pose' in names for names in labels)


def test_features_of_fully_labelled_tasks_are_not_copied(model):
    seen = {}
    model.trunk.register_forward_hook(
        lambda *call: seen.update(trunk=call[2]['pose']['features'].data_ptr()))
    for name, head in model.heads.items():
        head.register_forward_pre_hook(
            lambda _, inputs, name=name: seen.update(
                {name: inputs[0]['features'].data_ptr()}))
    run(model, [('pose', 'detection'), ('pose',)])
    assert seen['pose'] == seen['trunk'] != seen['detection']


@pytest.mark.parametrize('joint', [True, False], ids=['joint', 'taskwise'])
@pytest.mark.parametrize('frozen', ['trunk', 'heads.pose', 'heads', 'trunk.backbone'])
def test_frozen_parts_get_no_gradient(model, frozen, joint):
    _, expected = run(model, FULL, joint=True)
    for name, value in model.named_parameters():
        value.requires_grad_(not name.startswith(frozen))
    _, gradients = run(model, FULL, joint=joint)
    assert_close(gradients, {name: value for name, value in expected.items()
                             if not name.startswith(frozen)})
    run(model.requires_grad_(False), FULL, joint=joint)


def test_a_frozen_trunk_is_not_gone_back_to(model):
    model.trunk.requires_grad_(False)
    needed = []
    model.heads['pose'].register_forward_pre_hook(
        lambda _, inputs: needed.append(inputs[0]['features'].requires_grad))
    run(model, [('pose',)] * 2)
    assert needed == [False]


class Saved:
    """What autograd keeps for backward, counted in bytes while it is alive."""

    now = peak = 0

    def __init__(self, tensor):
        self.tensor = tensor
        Saved.now += tensor.nbytes
        Saved.peak = max(Saved.peak, Saved.now)

    def __del__(self):
        Saved.now -= self.tensor.nbytes


def peak_of(model, labels, **kwargs):
    """Return the most bytes that were kept for backward at a time."""
    Saved.now = Saved.peak = 0
    with torch.autograd.graph.saved_tensors_hooks(Saved, lambda saved: saved.tensor):
        run(model, labels, **kwargs)
    gc.collect()
    assert Saved.now == 0
    return Saved.peak


def test_memory_does_not_grow_with_the_number_of_tasks(model):
    # Heads that are larger than the trunk, so that they decide.
    model.heads = nn.ModuleDict({name: replace(task, head=HeadConfig(256)).build_head(single(8))
                                 for name, task in model.tasks.items()}).double()
    alone = max(peak_of(model, [(name,)] * 2) for name in LOSSES)
    assert peak_of(model, FULL) == pytest.approx(alone, rel=0.01)
    assert peak_of(model, FULL, joint=True) > 1.4 * alone


def test_checkpointing_keeps_little_of_the_trunk(model):
    # What is recomputed is not seen by the hooks: this is what waits while the heads run.
    assert peak_of(model, FULL, checkpoint=True) < 0.6 * peak_of(model, FULL)


@pytest.mark.parametrize('joint', [True, False], ids=['joint', 'taskwise'])
@pytest.mark.parametrize('bad', [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_refused(model, bad, joint):
    with torch.no_grad():
        model.heads['segmentation'].maps['logits'][-1].bias[0] = bad
    before = [value.detach().clone() for value in model.parameters()]
    with pytest.raises(FloatingPointError) as info:
        run(model, [tuple(LOSSES), ('segmentation',)], joint=joint)
    assert str(info.value) == (
        'loss is not finite: segmentation/cross_entropy; images image-0, image-1')
    for value, old in zip(model.parameters(), before):
        assert torch.equal(value.nan_to_num(7.0), old.nan_to_num(7.0))


def test_steps_lower_the_loss(model):
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    totals = []
    for _ in range(12):
        losses, _ = run(model, FULL, amp=torch.bfloat16, checkpoint=True)
        optimizer.step()
        totals.append(sum(losses.values()).item())
    assert totals[-1] < 0.7 * totals[0]
