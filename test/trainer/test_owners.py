# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Updates: the textbook's in the plain setting, those of UberNet's table 1 per owner."""

from copy import deepcopy
import io
import math

import pytest
import torch
from torch import nn

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.trainer.config import DatasetConfig, TrainConfig
from mcn_ros.trainer.distributed import Ranks
from mcn_ros.trainer.finite import FiniteWatch
from mcn_ros.trainer.objective import LossWeights
from mcn_ros.trainer.owners import OPTIMIZERS, Owners, set_train_mode

WEIGHTS = {'detection/loss': 0.7, 'pose/loss': 1.9}
BATCHES = {'trunk': 5, 'detection': 2, 'pose': 3}


class Trunk(nn.Linear):
    """A trunk that no task owns a part of."""

    def owner_of(self, parameter):
        return 'trunk'


class Net(nn.Module):
    """The least that has a trunk and heads."""

    tasks = {'detection': None, 'pose': None}

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.trunk = Trunk(3, 4)
        self.heads = nn.ModuleDict({task: nn.Linear(4, 2) for task in self.tasks})

    def loss(self, task, values):
        return (self.heads[task](self.trunk(values).tanh()) - values[:, :2]).square().mean()


def settings(**changes):
    head = {'head': {'width': 8}}
    model = ModelConfig({'detection': head, 'pose': head},
                        TrunkConfig('shufflenet_v2_x0_5', channels=8), (64, 64))
    changes = {'learning_rate': 0.1, 'weight_decay': 0.01, 'max_norm': math.inf, **changes}
    return TrainConfig('run', model, (DatasetConfig('a.json', 'images'),), **changes)


def build(net, **changes):
    return Owners(net, settings(**changes), Ranks('cpu'))


def no_scaling():
    return torch.amp.GradScaler('cpu', enabled=False)


def stream(count, size, seed=0):
    """Return batches: (size, 3) values, and for each task the rows that it is labelled in."""
    generator = torch.manual_seed(seed)
    return [(torch.randn(size, 3, generator=generator),
             {task: (torch.rand(size, generator=generator) < 0.5).nonzero().flatten()
              for task in Net.tasks}) for _ in range(count)]


def counts_of(rows):
    labelled = torch.cat(list(rows.values())).unique()
    return {'trunk': len(labelled), **{task: len(row) for task, row in rows.items()}}


def feed(net, owners, batch, scaler=None, rate=1.0):
    """Make the step of a training loop; return who was updated."""
    values, rows = batch
    scaler = scaler or no_scaling()
    weights = LossWeights(WEIGHTS, dict.fromkeys(WEIGHTS, 1.0), counts_of(rows))
    factors = weights.local(owners.asynchronous)
    for task, row in rows.items():
        if len(row):
            scaler.scale(factors[f'{task}/loss'] * net.loss(task, values[row])).backward()
    owners.count(weights.labelled)
    return owners.step(scaler, rate)


def assert_same(first, second, exactly=True):
    for (name, value), other in zip(first.named_parameters(), second.parameters(), strict=True):
        if exactly:
            assert torch.equal(value, other), name
        else:
            torch.testing.assert_close(value, other, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize('kind', OPTIMIZERS)
@pytest.mark.parametrize('max_norm', [0.05, math.inf, 0.0])
def test_the_plain_setting_is_the_loop_of_the_textbook(kind, max_norm):
    net = Net()
    expected, rates = deepcopy(net), [0.1, 0.5, 1.0, 0.6, 0.2, 0.1]
    optimizer = OPTIMIZERS[kind](expected.parameters(), lr=0.1, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rates[min(step, 5)])
    owners = build(net, optimizer=kind, max_norm=max_norm)
    for (values, rows), rate in zip(stream(6, 4), rates):
        assert feed(net, owners, (values, rows), rate=rate) == {'all'}
        optimizer.zero_grad()
        for task, row in rows.items():
            if len(row):
                (WEIGHTS[f'{task}/loss'] * expected.loss(task, values[row])).backward()
        nn.utils.clip_grad_norm_(expected.parameters(), max_norm or math.inf)
        optimizer.step()
        schedule.step()
        assert_same(net, expected)


def table_1(net, batches, effective_batch, rate=0.1, decay=0.01, momentum=0.9):
    """Yield who is updated after each batch; the pseudocode, sample by sample, with momentum."""
    owned = {'trunk': net.trunk, **net.heads}
    sums = {owner: [torch.zeros_like(p) for p in part.parameters()]
            for owner, part in owned.items()}
    speed, count = deepcopy(sums), dict.fromkeys(owned, 0)
    for values, rows in batches:
        for i, value in enumerate(values):
            tasks = [task for task, row in rows.items() if i in row]
            for task in tasks:
                loss = WEIGHTS[f'{task}/loss'] * net.loss(task, value[None])
                for owner in ('trunk', task):
                    gradients = torch.autograd.grad(loss, owned[owner].parameters(),
                                                    retain_graph=True)
                    sums[owner] = [s + g for s, g in zip(sums[owner], gradients)]
            for owner in ['trunk', *tasks] if tasks else []:
                count[owner] += 1
        reached = {owner for owner in owned if count[owner] >= effective_batch[owner]}
        for owner in reached:
            for p, s, v in zip(owned[owner].parameters(), sums[owner], speed[owner]):
                v.mul_(momentum).add_(s / count[owner] + decay * p.detach())
                p.data -= rate * v
                s.zero_()
            count[owner] = 0
        yield reached


@pytest.mark.parametrize('size', [1, 2, 4])
def test_owners_are_updated_as_in_the_table(size):
    net, batches = Net(), stream(40, size)
    expected = deepcopy(net)
    owners = build(net, optimizer='sgd', effective_batches=BATCHES)
    seen = set()
    for batch, reached in zip(batches, table_1(expected, batches, BATCHES), strict=True):
        assert feed(net, owners, batch) == reached
        seen.add(frozenset(reached))
        assert_same(net, expected, exactly=False)
    assert len(seen) >= 5  # updates came apart: the stream has tested something


def test_the_order_of_batches_within_an_update_does_not_matter():
    results = []
    for order in (1, -1):
        net, batches = Net(), stream(3, 4)
        owners = build(net, optimizer='sgd',
                       effective_batches=dict.fromkeys(('trunk', *net.tasks), 10 ** 6))
        for batch in batches[::order]:
            assert feed(net, owners, batch) == set()
        results.append([value.grad for value in net.parameters()])
    for value, other in zip(*results):
        torch.testing.assert_close(value, other)


def test_each_owner_is_clipped_by_itself():
    net = Net()
    before = deepcopy(net)
    owners = build(net, optimizer='sgd', effective_batches=BATCHES, max_norm=1e-3,
                   weight_decay=0.0, learning_rate=1.0)
    owners.count(dict.fromkeys(BATCHES, 10))
    for value in net.parameters():
        value.grad = torch.full_like(value, 1e3)
    assert owners.step(no_scaling(), 1.0) == set(BATCHES)
    for part, old in zip([net.trunk, *net.heads.values()], [before.trunk, *before.heads.values()]):
        moved = torch.cat([(value - other).flatten() for value, other in
                           zip(part.parameters(), old.parameters())])
        assert moved.norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_rates_are_those_of_the_longest_beginning():
    net = Net()
    before = deepcopy(net)
    owners = build(net, optimizer='sgd', weight_decay=0.0, learning_rate=0.1,
                   rates={'heads': 0.5, 'heads.pose': 4.0, 'heads.pose.b': 0.0})
    owners.count(dict.fromkeys(BATCHES, 1))
    for value in net.parameters():
        value.grad = torch.ones_like(value)
    owners.step(no_scaling(), 0.5)
    for (name, value), old in zip(net.named_parameters(), before.parameters()):
        rate = {'trunk': 1, 'heads.detection': 0.5, 'heads.pose': 4}[name.rpartition('.')[0]]
        rate = 0 if name == 'heads.pose.bias' else rate
        torch.testing.assert_close(old - value, torch.full_like(value, 0.1 * 0.5 * rate))


@pytest.mark.parametrize('batches', [{}, BATCHES], ids=['plain', 'asynchronous'])
def test_frozen_parts_stay(batches):
    net = Net()
    before = deepcopy(net)
    owners = build(net, frozen=('trunk', 'heads.pose.bias'), effective_batches=batches)
    for batch in stream(6, 4):
        feed(net, owners, batch)
    frozen = {name for name, value in net.named_parameters() if not value.requires_grad}
    assert frozen == {'trunk.weight', 'trunk.bias', 'heads.pose.bias'}
    for (name, value), old in zip(net.named_parameters(), before.parameters()):
        assert torch.equal(value, old) == (name in frozen), name


def test_frozen_batch_norms_do_not_learn_from_the_images():
    model = MultiTaskNet(settings().model).eval()
    before = {name: value.clone() for name, value in model.named_buffers()}
    set_train_mode(model, ('trunk.backbone.', 'heads.pose'))
    with torch.no_grad():
        model(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    for name, value in model.named_buffers():
        if 'running' in name:
            frozen = name.startswith('trunk.backbone.')
            assert torch.equal(value, before[name]) == frozen, name
    set_train_mode(model, ())
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize('changes, words', [
    ({'rates': {'trunk': 1.0, 'hats': 2.0}}, 'rates: .* with hats .*heads.detection.*trunk'),
    ({'frozen': ('trunk', 'hats')}, 'frozen: .* with hats .*heads.detection.*trunk'),
    ({'frozen': ('trunk', 'heads')}, 'frozen: trunk, heads leave nothing to train')])
def test_bad_settings(changes, words):
    with pytest.raises(ValueError, match=words):
        build(Net(), **changes)


def stored(owners):
    """Return the state after it has been a file."""
    file = io.BytesIO()
    torch.save(owners.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize('kind', OPTIMIZERS)
@pytest.mark.parametrize('batches', [{}, BATCHES], ids=['plain', 'asynchronous'])
def test_a_resumed_run_goes_on_as_if_nothing_had_happened(kind, batches):
    net, changes = Net(), {'optimizer': kind, 'effective_batches': batches}
    owners = build(net, **changes)
    for number, batch in enumerate(stream(20, 2)):
        again = deepcopy(net)
        again.zero_grad()
        resumed = build(again, **changes)
        resumed.load_state_dict(stored(owners))
        assert feed(net, owners, batch) == feed(again, resumed, batch), number
        assert_same(net, again)
        if number % 3 == 0:  # a chain of resumed runs
            net, owners = again, resumed


def test_settings_may_change_when_a_run_is_resumed():
    net = Net()
    owners = build(net)
    for batch in stream(3, 4):
        feed(net, owners, batch)
    before = deepcopy(net)
    # Frozen parts and rates that split the parameters in another way keep their own state.
    resumed = build(net, learning_rate=0.0, weight_decay=0.0, frozen=('trunk.bias',),
                    rates={'heads.pose': 2.0})
    resumed.load_state_dict(stored(owners))
    for name, state in resumed.state_dict()['state'].items():
        assert torch.equal(state['exp_avg'], owners.state_dict()['state'][name]['exp_avg'])
    feed(net, resumed, stream(1, 4)[0])
    assert_same(net, before)  # the new learning rate counts


def test_what_waited_for_other_owners_is_dropped():
    net = Net()
    owners = build(net, effective_batches=BATCHES)
    feed(net, owners, stream(1, 1)[0])
    state = stored(owners)
    assert state['gradients'] and any(state['seen'].values())
    net.zero_grad()
    plain = build(net)
    plain.load_state_dict(state)
    assert not plain.state_dict()['gradients'] and not any(plain.state_dict()['seen'].values())


def test_the_state_of_another_optimiser_is_refused():
    with pytest.raises(ValueError, match='optimizer: sgd .* adamw'):
        build(Net(), optimizer='sgd').load_state_dict(build(Net()).state_dict())


@pytest.mark.parametrize('batches', [{}, BATCHES], ids=['plain', 'asynchronous'])
@pytest.mark.parametrize('max_norm', [0.05, math.inf])
def test_scaled_losses_give_the_same_updates(batches, max_norm):
    # The scale grows after each second update, also while gradients wait.
    net, changes = Net(), {'optimizer': 'sgd', 'effective_batches': batches, 'max_norm': max_norm}
    expected = deepcopy(net)
    owners, unscaled = build(net, **changes), build(expected, **changes)
    scaler = torch.amp.GradScaler('cpu', init_scale=4.0, growth_interval=2)
    for batch in stream(12, 2):
        assert feed(net, owners, batch, scaler) == feed(expected, unscaled, batch)
        assert_same(net, expected)
    assert scaler.get_scale() > 16


def test_an_overflow_drops_what_waits_and_nothing_else():
    net = Net()
    owners = build(net, effective_batches={'trunk': 1, 'detection': 9, 'pose': 9})
    before = deepcopy(net)
    scaler = torch.amp.GradScaler('cpu', init_scale=1024.0)
    values = torch.full((2, 3), 1e37)  # finite, and no longer so once squared
    rows = {'detection': torch.tensor([0]), 'pose': torch.tensor([1])}
    feed(net, owners, (values, rows), scaler)
    assert scaler.get_scale() == 512
    assert_same(net, before)
    assert not owners.state_dict()['gradients'] and not any(owners.state_dict()['seen'].values())
    assert feed(net, owners, stream(1, 4)[0], scaler) == {'trunk'}
    assert all(value.isfinite().all() for value in net.parameters())
    assert not torch.equal(net.trunk.weight, before.trunk.weight)


@pytest.mark.parametrize('batches', [{}, BATCHES], ids=['plain', 'asynchronous'])
def test_gradients_that_are_not_finite_are_refused(batches):
    net = Net()
    owners = build(net, effective_batches=batches)
    before = deepcopy(net)
    owners.count(dict.fromkeys(BATCHES, 10))
    for value in net.parameters():
        value.grad = torch.full_like(value, math.nan)
    with pytest.raises(FloatingPointError, match=f'not finite: {"trunk" if batches else "all"}'):
        owners.step(no_scaling(), 1.0)
    assert_same(net, before)


@pytest.mark.parametrize('batches', [{}, BATCHES], ids=['plain', 'asynchronous'])
def test_nothing_happens_without_labels(batches):
    net = Net()
    before, owners = deepcopy(net), build(net, effective_batches=batches)
    none = {task: torch.tensor([], dtype=torch.int64) for task in net.tasks}
    for scaler in (no_scaling(), torch.amp.GradScaler('cpu')):
        assert feed(net, owners, (torch.randn(2, 3), none), scaler) == set()
    assert_same(net, before)


def test_nothing_happens_where_only_frozen_parts_are_labelled():
    net = Net()
    before, owners = deepcopy(net), build(net, frozen=('trunk', 'heads.pose'))
    batch = torch.randn(2, 3), {'detection': torch.tensor([], dtype=torch.int64),
                                'pose': torch.tensor([0])}
    net.loss = lambda *_: torch.zeros((), requires_grad=True)
    for scaler in (no_scaling(), torch.amp.GradScaler('cpu')):
        assert feed(net, owners, batch, scaler) == set()
    assert_same(net, before)


@pytest.fixture
def filled_memory():
    """Fill new tensors that are said to be empty with NaN."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures('filled_memory')
@pytest.mark.parametrize('kind', OPTIMIZERS)
def test_a_fused_update_that_would_spoil_the_weights_is_left_out_by_the_device(kind):
    """On a GPU nobody looks at the norms at once: the kernel does."""
    net = Net()
    owners = build(net, optimizer=kind)
    owner, = owners.owners.values()
    owner.optimizer = OPTIMIZERS[kind](list(owner.parameters.values()), lr=0.1, fused=True)
    for group in owner.optimizer.param_groups:
        group['initial_lr'] = 0.1
    watch = FiniteWatch(no_scaling(), patience=10)
    weights = [value.detach().clone() for value in net.parameters()]

    def update(gradient):
        for value in net.parameters():
            value.grad = torch.full_like(value, gradient)
        owner.seen = 1
        owners.step(no_scaling(), 1.0, watch)
        return [not torch.equal(value, old) for value, old in zip(net.parameters(), weights)]

    assert not any(update(math.nan)) and all(update(1.0))
    assert all(value.isfinite().all() for value in net.parameters())
    with pytest.raises(FloatingPointError, match='gradients are not finite: all'):
        watch.check()
