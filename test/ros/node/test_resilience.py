# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A device that fails and comes back, with a clock that the tests turn."""

import logging

import weakref

import pytest
import torch

from mcn_ros.ros.node.resilience import FIRST_WAIT_S, LONGEST_WAIT_S, LOST, ResilientPredictor


class Machine:
    """Devices that can be broken, and the predictors that were loaded on them."""

    def __init__(self):
        self.broken = set()
        self.gone = set()  # auto does not even choose them
        self.tasks = {'detection': 1}
        self.loads = []
        self.alive = []
        self.error = 'out of memory'
        self.now = 100.0
        self.most = 0  # networks on one device at a time

    def load(self, device):
        self.loads.append(device)
        if device == 'auto':
            device = 'cpu' if 'cuda:0' in self.gone else 'cuda:0'
        self.most = max(self.most, 1 + sum(
            net() is not None and net().device == device for net in self.alive))
        if device in self.broken:
            raise RuntimeError('cannot be initialised\nfor developers: ...')
        return Net(self, device)


class Net:
    """Doubles numbers; is wrong about negative ones, whatever the device."""

    def __init__(self, machine, device):
        self.machine, self.device, self.tasks = machine, device, dict(machine.tasks)
        self.backend, self.heads = 'torch', list(self.tasks)
        machine.alive.append(weakref.ref(self))

    def warm_up(self):
        self.batch([0])

    def batch(self, images):
        if self.device in self.machine.broken:
            raise RuntimeError(f'CUDA error: {self.machine.error}\nfor developers: ...')
        if min(images) < 0:
            raise RuntimeError('negative')
        return [2 * image for image in images]


@pytest.fixture
def machine():
    return Machine()


def make(machine, on_device_error, device='cuda:0', on_lost=lambda problem: None):
    return ResilientPredictor(machine.load, device, on_device_error, logging.getLogger('test'),
                              lambda: machine.now, on_lost)


def outcome(predictor, number=4):
    batch = predictor.run({'camera': number})
    return batch.results.get('camera')


def test_a_bad_image_is_not_the_fault_of_the_device(machine):
    predictor = make(machine, 'cpu')
    assert outcome(predictor, -1) is None
    assert predictor.works and not predictor.problem and outcome(predictor) == 8
    assert machine.loads == ['cuda:0']


def test_an_image_that_is_none_does_not_cost_a_look_at_the_device(machine, monkeypatch):
    predictor = make(machine, 'cpu')

    def refuse(images):
        raise ValueError('no image')

    monkeypatch.setattr(predictor.predictor, 'batch', refuse)
    monkeypatch.setattr(predictor.predictor, 'warm_up', lambda: pytest.fail('looked'))
    assert outcome(predictor) is None and predictor.works


def test_retry_waits_longer_and_longer_and_recovers(machine):
    predictor = make(machine, 'retry')
    machine.broken = {'cuda:0'}
    assert outcome(predictor) is None and not predictor.works
    assert predictor.problem.startswith('cuda:0 fails: RuntimeError: CUDA error: out of memory;')
    assert 'restart the node' in predictor.problem and '\n' not in predictor.problem
    attempts = []
    for _ in range(400):
        machine.now += 0.5
        before = len(machine.loads)
        assert outcome(predictor) is None
        attempts += [machine.now] * (len(machine.loads) - before)
    waits = [later - earlier for earlier, later in zip([100.0, *attempts], attempts)]
    assert waits == [FIRST_WAIT_S, 2, 4, 8, 16, 32, LONGEST_WAIT_S, LONGEST_WAIT_S]
    machine.broken = set()
    machine.now += LONGEST_WAIT_S
    assert outcome(predictor) == 8 and predictor.works and not predictor.problem
    machine.broken = {'cuda:0'}  # a new fault begins with the shortest wait
    assert outcome(predictor) is None
    machine.broken = set()
    machine.now += FIRST_WAIT_S
    assert outcome(predictor) == 8


def test_the_network_that_is_there_is_used_again_if_it_works(machine):
    predictor = make(machine, 'retry')
    first = predictor.predictor
    machine.broken = {'cuda:0'}
    outcome(predictor)
    machine.broken = set()
    machine.now += FIRST_WAIT_S
    assert outcome(predictor) == 8 and predictor.predictor is first


@pytest.mark.parametrize('device', ['cuda:0', 'auto'])
def test_the_cpu_loses_no_image_and_the_device_is_returned_to(machine, device):
    predictor = make(machine, 'cpu', device)
    machine.broken = {'cuda:0'}
    assert outcome(predictor) == 8 and predictor.predictor.device == 'cpu'
    assert predictor.works and 'on the CPU until it works' in predictor.problem
    machine.now += FIRST_WAIT_S
    machine.gone = {'cuda:0'}
    assert outcome(predictor) == 8 and predictor.predictor.device == 'cpu' and predictor.problem
    machine.broken = machine.gone = set()
    machine.now += LONGEST_WAIT_S
    assert outcome(predictor) == 8 and predictor.predictor.device == 'cuda:0'
    assert not predictor.problem


def test_a_cpu_that_fails_too_is_told_and_survived(machine):
    predictor = make(machine, 'cpu')
    machine.broken = {'cuda:0'}
    outcome(predictor)
    machine.broken = {'cuda:0', 'cpu'}
    assert outcome(predictor) is None and not predictor.works
    machine.broken = {'cuda:0'}
    machine.now += FIRST_WAIT_S
    assert outcome(predictor) == 8 and predictor.works and predictor.predictor.device == 'cpu'


def test_other_weights_are_not_taken(machine):
    """Topics and label_info are those of the weights that were there at first."""
    predictor = make(machine, 'cpu')
    machine.tasks = {'pose': 2}
    machine.broken = {'cuda:0'}
    assert outcome(predictor) is None and not predictor.works


def test_there_are_never_two_networks_on_a_device(machine):
    """After it ran out of memory there may be no room for a second one, ever."""
    predictor = make(machine, 'retry')
    machine.broken = {'cuda:0'}
    outcome(predictor)
    for _ in range(3):
        machine.now += LONGEST_WAIT_S
        outcome(predictor)
    assert machine.most == 1 and predictor.predictor.heads == ['detection']
    machine.broken = set()
    machine.now += LONGEST_WAIT_S
    assert outcome(predictor) == 8 and machine.most == 1


@pytest.fixture
def lost():
    """Return the networks that are never freed; they are after the test."""
    yield LOST
    LOST.clear()


@pytest.fixture
def used(monkeypatch):
    """Return a list that grows with each call for the GPU itself."""
    calls = []
    monkeypatch.setattr(torch.cuda, 'empty_cache', lambda: calls.append('empty_cache'))
    return calls


def test_after_a_sticky_error_the_cpu_goes_on_and_the_device_is_left_alone(machine, lost, used):
    predictor = make(machine, 'cpu')
    machine.broken, machine.error = {'cuda:0'}, 'device-side assert triggered'
    on_gpu = machine.alive[0]
    for _ in range(3):
        assert outcome(predictor) == 8 and predictor.predictor.device == 'cpu'
        machine.now += LONGEST_WAIT_S
        machine.broken = set()  # even if it seemed to work again
    predictor.free()
    assert machine.loads == ['cuda:0', 'cpu'] and not used
    assert on_gpu() is not None and on_gpu() in lost  # its memory was not freed
    assert 'on the CPU until the node is started anew' in predictor.problem


def test_after_a_sticky_error_retry_asks_to_be_started_anew(machine, lost, used):
    said = []
    predictor = make(machine, 'retry', on_lost=said.append)
    machine.broken, machine.error = {'cuda:0'}, 'an illegal memory access was encountered'
    on_gpu = machine.alive[0]
    assert outcome(predictor) is None and not predictor.works
    machine.now += LONGEST_WAIT_S
    assert outcome(predictor) is None
    predictor.free()
    assert len(said) == 1 and 'started anew' in said[0] and 'illegal memory access' in said[0]
    assert machine.loads == ['cuda:0'] and not used and on_gpu() in lost


def test_an_error_that_turns_out_to_be_sticky_while_trying_again(machine, lost, used):
    said = []
    predictor = make(machine, 'retry', on_lost=said.append)
    machine.broken = {'cuda:0'}
    assert outcome(predictor) is None and not said
    machine.error = 'unspecified launch failure'
    machine.now += FIRST_WAIT_S
    assert outcome(predictor) is None and len(said) == 1
