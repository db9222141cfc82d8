# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Balances of tasks: where their factors go, what leaves them alone, and that they go on."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from mcn_ros.data.batch import collate
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.features import take
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.structures import ClassMap, Instances, Poses, Sample
from mcn_ros.trainer.balance import (
    BALANCES, build_balance, GradientNorm, NORM_DECAY, Uncertainty, UNCERTAINTY_RATE)
from mcn_ros.trainer.distributed import Ranks
from mcn_ros.trainer.objective import paper_weights
from mcn_ros.trainer.step import backward

TASKS = 'detection', 'pose', 'segmentation'
ALL = [TASKS, TASKS]
NO_SCALING = torch.amp.GradScaler('cpu', enabled=False)
WEIGHTS = {'detection/heatmap': 1.0, 'detection/size': 0.1, 'segmentation/cross_entropy': 5.0}
LOSSES = {'detection/heatmap': 3.0, 'detection/size': 20.0, 'segmentation/cross_entropy': 0.3}


@pytest.fixture
def model():
    torch.manual_seed(0)
    fields = {'detection': {'classes': ('person', 'car')}, 'pose': {},
              'segmentation': {'classes': ('person',)}}
    tasks = {name: {**rest, 'head': {'width': 8}} for name, rest in fields.items()}
    trunk = TrunkConfig('shufflenet_v2_x0_5', channels=8)
    return MultiTaskNet(ModelConfig(tasks, trunk, (64, 64)))


def batch_of(model, labels):
    samples = []
    for seed, names in enumerate(labels):
        rng = np.random.default_rng(seed)
        boxes, ones = np.array([[4, 8, 40, 60]], np.float32), np.ones(1, np.float32)
        annotations = {
            'detection': Instances(boxes, np.zeros(1, int), ones),
            'pose': Poses(boxes, ones, rng.uniform(10, 50, (1, 17, 2)).astype(np.float32),
                          np.ones((1, 17), np.float32)),
            'segmentation': ClassMap(rng.integers(0, 2, (64, 64)).astype(np.uint8))}
        samples.append(Sample(rng.integers(0, 256, (64, 64, 3), np.uint8),
                              {name: annotations[name] for name in names}, str(seed)))
    return collate(samples, model.tasks)


def balance_of(kind, model, ranks=None, scaler=NO_SCALING):
    weights = dict.fromkeys(paper_weights(model.tasks), 1.0) | {'pose/size': 0.1}
    return build_balance(kind, weights, model, ranks or Ranks('cpu'), scaler)


def uncertainty(weights=WEIGHTS):
    return Uncertainty(weights, {name.partition('/')[0] for name in weights}, torch.device('cpu'))


def tensors(values):
    return {name: torch.tensor(value) for name, value in values.items()}


def numbers(balance):
    return {name: float(value) for name, value in balance.weights().items()}


def feature_norms(model, batch, weights, tasks=TASKS):
    """Return the norm of the gradient of each task by the features, the plain way."""
    features = model.features(batch.images, tasks)
    norms = {}
    for task in tasks:
        losses = model.tasks[task].loss(model.heads[task](take(features[task], batch.rows[task])),
                                        batch.targets[task])
        total = sum(weights[f'{task}/{name}'] * value for name, value in losses.items())
        gradient, = torch.autograd.grad(total, features[task]['features'], retain_graph=True)
        norms[task] = float(gradient.norm())
    return norms


@pytest.mark.parametrize('kind', BALANCES)
def test_a_balance_begins_with_the_weights_of_the_paper(kind, model):
    found = numbers(balance_of(kind, model))
    assert found.pop('pose/size') == pytest.approx(0.1)
    assert set(found.values()) == {1.0}
    assert {*found, 'pose/size'} == set(paper_weights(model.tasks))


def test_fixed_weights_stay(model):
    balance = balance_of('fixed', model)
    before = numbers(balance)
    balance.observe(tensors(LOSSES))
    balance.load_state_dict(balance.state_dict())
    assert numbers(balance) == before


def test_unknown_kinds_are_refused(model):
    with pytest.raises(ValueError, match="^balance: 'fair' is not one of fixed, uncertainty, gr"):
        balance_of('fair', model)


# ---- Uncertainty ----

def test_uncertain_tasks_count_one_half_of_the_inverse_of_their_loss():
    # The minimum of w L - log(w) / 2; L = 1 * 3 + 0.1 * 20 = 5 and 5 * 0.3 = 1.5.
    balance = uncertainty()
    for _ in range(2000):
        balance.observe(tensors(LOSSES))
    found = numbers(balance)
    assert found == pytest.approx({'detection/heatmap': 1 / 10, 'detection/size': 0.1 / 10,
                                   'segmentation/cross_entropy': 5 / 3}, rel=1e-3)


def test_uncertainty_descends_the_loss_of_kendall():
    # As autograd sees it: the direction is that of L / (2 v) + log(v) / 2 by -log(v).
    for loss in (0.01, 0.4, 0.6, 30.0):
        log = torch.zeros((), requires_grad=True)
        (loss * log.exp() / 2 - log / 2).backward()
        balance = uncertainty({'pose/size': 0.5})
        balance.observe(tensors({'pose/size': loss}))
        step = math.log(numbers(balance)['pose/size'] / 0.5)
        assert step == pytest.approx(
            -UNCERTAINTY_RATE * float(log.grad) / (loss / 2 + 0.5), rel=1e-3)


def test_one_bad_batch_changes_little():
    balance = uncertainty()
    balance.observe(tensors(dict.fromkeys(LOSSES, 1e20)))
    change = math.exp(-UNCERTAINTY_RATE)
    assert numbers(balance) == pytest.approx({n: w * change for n, w in WEIGHTS.items()})


@pytest.mark.parametrize('losses', [
    {}, {'segmentation/cross_entropy': 0.0}], ids=['unlabelled', 'nothing known'])
def test_uncertainty_of_absent_tasks_stays(losses):
    balance = uncertainty()
    for _ in range(3):
        balance.observe(tensors(LOSSES))
    before = numbers(balance)
    detection = {name: value for name, value in LOSSES.items() if 'detection' in name}
    balance.observe(tensors({**detection, **losses}))
    after = numbers(balance)
    assert after['segmentation/cross_entropy'] == before['segmentation/cross_entropy']
    assert after['detection/heatmap'] < before['detection/heatmap']


# ---- Gradient norms ----

@pytest.mark.parametrize('joint', [True, False], ids=['joint', 'taskwise'])
@pytest.mark.parametrize('labels', [
    ALL, [('detection', 'segmentation'), ('detection', 'pose'), ('pose',)]],
    ids=['full', 'partial'])
def test_all_tasks_pull_equally_hard(model, joint, labels):
    model.eval()  # batch norms would change from pass to pass
    balance, batch = balance_of('gradient_norm', model), batch_of(model, labels)
    plain = feature_norms(model, batch, numbers(balance))
    assert max(plain.values()) > 1.5 * min(plain.values())
    backward(model, batch, balance.weights(), scaler=NO_SCALING, joint=joint)
    balance.observe({})
    norms = feature_norms(model, batch, numbers(balance))
    mean = math.prod(plain.values()) ** (1 / 3)  # so the product of the factors is 1
    assert norms == pytest.approx(dict.fromkeys(TASKS, mean), rel=1e-3)
    # Within a task nothing changes.
    found = numbers(balance)
    assert found['pose/size'] == pytest.approx(0.1 * found['pose/offset'])


def test_the_factors_are_no_part_of_the_norms(model):
    model.eval()
    balance, batch = balance_of('gradient_norm', model), batch_of(model, ALL)
    found = []
    for _ in range(4):
        backward(model, batch, balance.weights(), scaler=NO_SCALING)
        balance.observe({})
        found.append(numbers(balance))
    assert found[-1] == pytest.approx(found[0], rel=1e-4)


class Heads:
    """Of a network, what this balance needs: heads, whose gradients can be chosen here."""

    def __init__(self):
        self.tasks = dict.fromkeys(TASKS)
        self.heads = nn.ModuleDict({task: nn.Identity() for task in TASKS})


def norms_balance(ranks=None):
    weights = {f'{task}/loss': 1.0 for task in TASKS}
    model = Heads()
    return GradientNorm(weights, model, ranks or Ranks('cpu'), NO_SCALING), model


def observe_norms(balance, model, norms):
    """Go backward through heads, such that the gradients without the factors have these norms."""
    for task, norm in norms.items():
        features = torch.zeros(1, requires_grad=True)
        factor = balance.weights()[f'{task}/loss']
        (norm * factor * model.heads[task]({'map': features})['map']).backward()
    balance.observe({})


def test_norms_are_geometric_means():
    balance, model = norms_balance()
    observe_norms(balance, model, {'detection': 1.0, 'pose': 1.0, 'segmentation': 1.0})
    observe_norms(balance, model, {'detection': 1.0, 'pose': 8.0, 'segmentation': 1.0})
    found = numbers(balance)
    assert found['pose/loss'] / found['detection/loss'] == pytest.approx(
        8 ** (NORM_DECAY - 1), rel=1e-4)


@pytest.mark.parametrize('norms', [{}, {'pose': 0.0}, {'pose': math.inf}, {'pose': math.nan}],
                         ids=['unlabelled', 'nothing known', 'overflow', 'no number'])
def test_norms_of_absent_tasks_stay(norms):
    balance, model = norms_balance()
    observe_norms(balance, model, {'detection': 2.0, 'segmentation': 2.0, 'pose': 4.0})
    observe_norms(balance, model, {'detection': 2.0, 'segmentation': 2.0, **norms})
    found = numbers(balance)
    assert found['pose/loss'] / found['detection/loss'] == pytest.approx(0.5, rel=1e-4)


def test_a_task_that_was_never_there_keeps_its_weights():
    balance, model = norms_balance()
    observe_norms(balance, model, {'detection': 2.0, 'segmentation': 8.0})
    assert numbers(balance) == pytest.approx(
        {'detection/loss': 2.0, 'pose/loss': 1.0, 'segmentation/loss': 0.5})


def test_the_gradients_by_several_maps_are_one_vector():
    balance, model = norms_balance()
    maps = {name: torch.zeros(1, requires_grad=True) for name in ('fine', 'coarse', 'unused')}
    seen = model.heads['pose'](maps)
    (3 * seen['fine'] + 4 * seen['coarse']).backward()
    observe_norms(balance, model, {'detection': 5.0, 'segmentation': 5.0})
    assert list(numbers(balance).values()) == pytest.approx([1.0] * len(TASKS))


def test_the_scale_of_losses_is_no_part_of_the_norms(model):
    model.eval()
    batches = [batch_of(model, [('detection', 'segmentation')]), batch_of(model, [('pose',)])]
    found = []
    for scales in ((1.0, 1.0), (1024.0, 2.0)):
        scaler = torch.amp.GradScaler('cpu')
        balance = balance_of('gradient_norm', model, scaler=scaler)
        for scale, batch in zip(scales, batches):
            scaler.load_state_dict({**scaler.state_dict(), 'scale': scale})
            backward(model, batch, balance.weights(), scaler=scaler)
            balance.observe({})
        found.append(numbers(balance))
    assert found[0] == pytest.approx(found[1], rel=1e-3)


class TwoRanks(Ranks):
    """Two processes; the other one has seen squared norms of its own."""

    def __init__(self, other):
        super().__init__('cpu')
        self.other = other

    def sum_scalars(self, counts, names):
        sums = super().sum_scalars(counts, names)
        return {name: value + self.other.get(name, 0.0) for name, value in sums.items()}


def test_norms_are_those_of_the_joint_batch():
    # Process 0 has images for detection and pose, process 1 for detection and segmentation.
    balance, model = norms_balance(TwoRanks({'detection': 16.0, 'segmentation': 100.0}))
    observe_norms(balance, model, {'detection': 3.0, 'pose': 20.0})
    assert numbers(balance) == pytest.approx(  # norms 5, 20 and 10; their geometric mean is 10
        {'detection/loss': 2.0, 'pose/loss': 0.5, 'segmentation/loss': 1.0})


def test_what_has_no_gradient_tells_a_balance_nothing(model):
    balance, batch = balance_of('gradient_norm', model), batch_of(model, ALL)
    before = numbers(balance)
    with torch.no_grad():  # as when the network is scored
        model(batch.images)
    balance.observe({})
    for parameter in model.trunk.parameters():
        parameter.requires_grad_(False)
    backward(model, batch, balance.weights(), scaler=NO_SCALING)
    balance.observe({})
    assert numbers(balance) == before


# ---- States ----

@pytest.mark.parametrize('kind', BALANCES)
def test_a_balance_goes_on_as_if_nothing_had_happened(kind, model, tmp_path):
    model.eval()
    partial = batch_of(model, [('detection',), ('segmentation',)])
    batches = [batch_of(model, ALL), partial, batch_of(model, [('pose',)]), partial]

    def go(balance, batches):
        for batch in batches:
            losses = backward(model, batch, balance.weights(), scaler=NO_SCALING)
            balance.observe(losses)
        return balance

    whole = go(balance_of(kind, model), batches)
    torch.save(go(balance_of(kind, model), batches[:2]).state_dict(), tmp_path / 'state')
    resumed = balance_of(kind, model)
    resumed.load_state_dict(torch.load(tmp_path / 'state', weights_only=True))
    assert numbers(go(resumed, batches[2:])) == numbers(whole)
    if kind != 'fixed':
        assert numbers(whole) != numbers(balance_of(kind, model))


def test_a_state_is_no_view():
    balance = uncertainty()
    state = balance.state_dict()
    balance.observe(tensors(LOSSES))
    assert all(float(value) == 0 for value in state['uncertainty'].values())


@pytest.mark.parametrize('kind', BALANCES)
def test_the_state_of_another_kind_is_a_new_beginning(kind, model):
    for other in BALANCES.keys() - {kind}:
        earlier = balance_of(other, model)
        earlier.observe(tensors(LOSSES))
        balance = balance_of(kind, model)
        balance.load_state_dict(earlier.state_dict())
        assert numbers(balance) == numbers(balance_of(kind, model))
