# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Transitions in any order while images come and parameters change: nothing is left behind."""

import random
import threading

from lifecycle_msgs.srv import ChangeState
import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from vision_msgs.msg import Detection2DArray

from mcn_ros.trials.prober import memory

# By lifecycle_msgs/Transition: what may be asked for in each state, and where it leads.
LEADS = {('unconfigured', 1): 'inactive', ('inactive', 2): 'unconfigured',
         ('inactive', 3): 'active', ('active', 4): 'inactive'}
TRANSITIONS = 200
WARM = 40  # transitions after which no more memory is taken, but for what the graph varies by
GROWTH = 30_000_000  # bytes; a leak of one network or of 200 images would be more


@pytest.fixture
def ask(world):
    """Return a function that calls a service, while images go on coming."""
    clients = {}

    def call(name, kind, request):
        if name not in clients:
            clients[name] = world.peer.create_client(kind, name)
            world.wait(clients[name].service_is_ready, name)
        future = clients[name].call_async(request)
        world.wait(lambda: (world.send(1), future.done())[1], name)
        return future.result()

    return call


def held(node):
    """Return how many things of each kind a node has."""
    return {'publishers': len(list(node.publishers)), 'timers': len(list(node.timers)),
            'subscriptions': len(list(node.subscriptions)),
            'services': len(list(node.services)),
            'threads': [t.name for t in threading.enumerate()].count('inference')}


def test_transitions_in_every_order(world, ask):
    world.peer.listen(Detection2DArray, 'mcn/detections')
    node = world.make()
    rng = random.Random(0)
    state, seen, used = 'unconfigured', {}, []
    for index in range(TRANSITIONS):
        transition = rng.randint(1, 4)
        request = ChangeState.Request()
        request.transition.id = transition
        answer = ask('/mcn/change_state', ChangeState, request)
        assert answer.success == ((state, transition) in LEADS), (index, state, transition)
        state = LEADS.get((state, transition), state)
        assert node._state_machine.current_state[1] == state
        # Whatever came before: a state has the same things whenever it is reached.
        assert held(node) == seen.setdefault(state, held(node)), (index, state)
        if index >= WARM:
            used.append(memory('self')['Rss'])
    assert set(seen) == {'unconfigured', 'inactive', 'active'}
    assert seen['unconfigured']['threads'] == seen['inactive']['threads'] == 0
    assert seen['unconfigured']['subscriptions'] == seen['inactive']['subscriptions']
    assert used[-1] - used[0] < GROWTH
    request.transition.id = {'unconfigured': 5, 'inactive': 6, 'active': 7}[state]
    assert ask('/mcn/change_state', ChangeState, request).success
    assert held(node) == seen['unconfigured']


def test_parameters_from_several_clients(world, ask):
    """Whatever is asked for at once: each value is taken or refused with a reason."""
    node = world.start()
    clients = [world.peer.create_client(SetParameters, '/mcn/set_parameters') for _ in range(3)]
    values = [('detection.score_threshold', 0.4), ('detection.score_threshold', 1.5),
              ('detection.classes', ['car']), ('detection.classes', ['dog']),
              ('max_pixels', 0), ('on_device_error', 'cpu'), ('max_detections', 7)]
    right = {'detection.score_threshold': 0.4, 'detection.classes': ['car'], 'max_detections': 7}
    asked = []
    for client in clients:
        world.wait(client.service_is_ready)
    for index in range(30):
        name, value = values[index % len(values)]
        request = SetParameters.Request(parameters=[
            Parameter(name, value=value).to_parameter_msg()])
        asked.append((name, value, clients[index % 3].call_async(request)))
        world.send(index)
    world.wait(lambda: all(future.done() for *_, future in asked), 'all answers')
    for name, value, future in asked:
        result, = future.result().results
        assert result.successful == (right.get(name) == value), (name, value)
        assert result.successful or result.reason
    detection = node.parameters.of('detection')
    assert (detection.score_threshold, detection.classes) == (0.4, ('car',))
    assert node.parameters.on_device_error == 'retry' and node.parameters.max_detections == 7
