# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How executables end: when their work is done, when it fails, and when they are asked to."""

import json
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

import pytest
import rclpy
from rclpy.node import Node

from mcn_ros.ros.executable import run_node

# The node, whose network takes for ever to load, by a library that hears of signals or not.
LOADING = """
import sys, time
from mcn_ros.ros.node import mcn_node

def load(*args):
    while True:
        try:
            print('loading', flush=True)
            time.sleep(1)
        except KeyboardInterrupt:
            if sys.argv[1] == 'hears':
                raise

mcn_node.load_predictor = load
mcn_node.main([])
"""


@pytest.mark.parametrize('library, number', [
    ('hears', signal.SIGINT), ('is deaf', signal.SIGTERM)])
def test_a_node_that_loads_its_network_can_be_ended(library, number):
    process = subprocess.Popen([sys.executable, '-c', LOADING, library], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout.readline() == 'loading\n'
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, told
    assert 'Traceback' not in told and 'cannot configure' not in told


# A process whose output nobody reads any more, and in which something hangs or fails at its end.
LEAVING = """
import gc, os, signal, sys, time
from mcn_ros.ros import executable

def work():
    print('to nobody')
    if sys.argv[1] == 'hangs':
        executable.gc.collect = lambda: time.sleep(600)
    return 3

sys.stdout = open(os.dup(1), 'w')
os.close(sys.stdout.fileno())
executable.run_process('leaving', work, [])
"""


@pytest.mark.parametrize('what', ['hangs', 'is not read'])
def test_nothing_keeps_a_process_from_its_end(what):
    ended = subprocess.run([sys.executable, '-c', LEAVING, what], capture_output=True, text=True,
                           timeout=60)
    assert ended.returncode == 3, ended.stderr
    assert 'Traceback' not in ended.stderr


def shared_memory(pid):
    """Return the segments of Fast DDS that a process has mapped."""
    return set(re.findall(r'/dev/shm/fastdds_[0-9a-f]{16}$',
                          Path(f'/proc/{pid}/maps').read_text(), re.MULTILINE))


# An executable that is at a point of its way when it is asked to end.
AT = {
    'imports': """
import sys, time
from mcn_ros.ros import entry

entry.import_module = lambda name: (print('here', flush=True), time.sleep(60))
sys.argv[0] = '/bin/recorder'
entry.main()
""",
    'work': """
import time
from mcn_ros.ros.executable import run_node
from rclpy.node import Node

class Worker(Node):
    def __init__(self):
        super().__init__('worker')

    def destroy_node(self):
        for _ in range(10):
            time.sleep(0.1)  # a signal that comes now is not to end it earlier
        super().destroy_node()
        print('closed', flush=True)

def work(node):
    print('here', flush=True)
    time.sleep(60)

code = run_node('worker', Worker, work)
print('here', flush=True)
time.sleep(0.5)
raise SystemExit(code)
"""}


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('place', AT)
def test_who_is_impatient_gets_the_same_end(place, number):
    """The first signal ends it, others change nothing, wherever it is by then."""
    process = subprocess.Popen([sys.executable, '-c', AT[place]], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout.readline() == 'here\n'
        while process.poll() is None:
            process.send_signal(number)
            time.sleep(0.1)
        told, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, errors) == (0, '')
    assert told == ('closed\nhere\n' if place == 'work' else '')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_node_leaves_no_shared_memory_behind(number, tiny_weights):
    process = subprocess.Popen(
        [sys.executable, '-m', 'mcn_ros.ros.node.mcn_node', '--ros-args', '-p',
         f'weights:={tiny_weights}', '-p', 'device:=cpu', '-p', 'backend:=torch'], text=True,
        stderr=subprocess.PIPE)
    try:
        while 'no image on' not in process.stderr.readline():  # it watches its topic
            assert process.poll() is None
        segments = shared_memory(process.pid)
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert not [path for path in segments if Path(path).exists()]


def run(work):
    """Run a node; return its exit code, and whether it was destroyed."""
    nodes = []

    class Worker(Node):

        def __init__(self):
            super().__init__('worker')
            self.destroyed = 0
            nodes.append(self)

        def destroy_node(self):
            self.destroyed += 1
            super().destroy_node()

    code = run_node('worker', Worker, work)
    assert not rclpy.ok()
    return code, nodes[0].destroyed > 0


def fail(error):
    raise error


def stop_and_fail(error):
    """Fail as everything does once the process has been asked to end."""
    rclpy.try_shutdown()
    raise error


def test_what_it_found_is_told(capfd):
    assert run(lambda node: {'name': node.get_name()}) == (0, True)
    assert json.loads(capfd.readouterr().out) == {'summary': {'name': 'worker'}}


def test_what_has_nothing_to_tell_is_silent(capfd):
    assert run(lambda node: None) == (0, True)
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize('error', [KeyboardInterrupt(), RuntimeError('context is invalid')])
def test_being_asked_to_end_is_no_error(error, capfd):
    assert run(lambda node: stop_and_fail(error)) == (0, True)
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize('work', [fail, stop_and_fail])
@pytest.mark.parametrize('error', [ValueError('no such bag'), OSError('the disk is full')])
def test_what_is_wrong_is_one_line(work, error, capfd):
    assert run(lambda node: work(error)) == (1, True)
    line, = capfd.readouterr().err.splitlines()
    assert 'ERROR' in line and str(error) in line


def test_a_bug_keeps_its_traceback():
    with pytest.raises(RuntimeError, match='a bug'):
        run(lambda node: fail(RuntimeError('a bug')))
