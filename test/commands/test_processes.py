# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Processes that are started together: what they are given, and what becomes of them."""

import contextlib
import os

import pytest

from mcn_ros.commands import processes


@pytest.fixture
def modules(tmp_path):
    """Return a function that writes a module, and the environment that finds it."""
    def write(name, source):
        (tmp_path / f'{name}.py').write_text(source)
        return name
    return write, {**os.environ, 'PYTHONPATH': str(tmp_path)}


def test_processes_that_would_not_find_each_other_are_not_started(tmp_path, monkeypatch):
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'OFF')
    with pytest.raises(ValueError, match='ROS_AUTOMATIC_DISCOVERY_RANGE=OFF: .*LOCALHOST'):
        processes.run_together({'collector': {}}, '/nowhere', tmp_path / 'log')
    assert not (tmp_path / 'log').exists()


def test_the_environment_is_the_users_where_there_is_one(tmp_path, monkeypatch):
    names = ('ROS_DOMAIN_ID', 'FASTDDS_BUILTIN_TRANSPORTS', 'FASTDDS_DEFAULT_PROFILES_FILE',
             'FASTRTPS_DEFAULT_PROFILES_FILE')
    for name in names:
        monkeypatch.delenv(name, raising=False)
    alone = processes.ros_environment(tmp_path)
    assert 1 <= int(alone['ROS_DOMAIN_ID']) <= 101
    assert alone['FASTDDS_BUILTIN_TRANSPORTS'] == 'LARGE_DATA'
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', 'mine.xml')
    assert 'FASTDDS_BUILTIN_TRANSPORTS' not in processes.ros_environment(tmp_path)
    monkeypatch.setenv('ROS_DOMAIN_ID', '42')
    monkeypatch.setenv('FASTDDS_BUILTIN_TRANSPORTS', 'UDPv4')
    chosen = processes.ros_environment(tmp_path)
    assert chosen['ROS_DOMAIN_ID'] == '42' and chosen['FASTDDS_BUILTIN_TRANSPORTS'] == 'UDPv4'


def test_arguments_are_yaml():
    words = processes.ros_arguments('/robot', {'source': '007', 'rate': 0.0, 'heads': ['pose'],
                                               'classes': [], 'loop': False})
    assert words[:3] == ['--ros-args', '-r', '__ns:=/robot']
    assert words[4::2] == ['source:="007"', 'rate:=0.0', 'heads:=["pose"]', 'loop:=false']


def test_last_words_are_the_error(tmp_path):
    log = tmp_path / 'log.txt'
    log.write_text('[INFO] [1.5] [mcn]: hello\n'
                   '[ERROR] [1700.25] [mcn]: cannot configure: no weights\n\nbye\n')
    assert processes.last_words(log) == 'cannot configure: no weights'
    log.write_text('Traceback:\n  File\nKeyError: 3\n')
    assert processes.last_words(log) == 'KeyError: 3'
    log.write_text('starting\n')
    assert processes.last_words(log) == 'starting'
    log.write_text('')
    assert processes.last_words(log) == 'without a word'


def test_nothing_is_left_over(modules, is_alive, wait_for, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, 'STOP_S', 0.3)
    write, environment = modules
    name = write('deaf', 'import signal, subprocess, sys, time\n'
                 'signal.signal(signal.SIGTERM, signal.SIG_IGN)\n'
                 'p = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])\n'
                 'print(p.pid)\n'
                 'time.sleep(99)\n')
    log = tmp_path / 'log.txt'
    with pytest.raises(KeyError):
        with processes.child(name, [], environment, log, piped=False) as process:
            wait_for(lambda: log.read_text().strip())
            raise KeyError('anything')
    grandchild = int(log.read_text())
    wait_for(lambda: not is_alive(process.pid) and not is_alive(grandchild))


def supervise(modules, tmp_path, **sources):
    write, environment = modules
    with contextlib.ExitStack() as stack:
        children = {name: stack.enter_context(processes.child(
            write(f'fake_{name}', source), [], environment, tmp_path / f'{name}.txt',
            piped=name in processes.LISTENERS)) for name, source in sources.items()}
        return processes.supervise(children, tmp_path)


SLEEP = 'import time; time.sleep(99)\n'
# Tells its sums when its input ends.
COLLECT = 'import sys; print("{}"); sys.stdin.read(); print(\'{"summary": {"poses": 3}}\')\n'


def test_the_end_of_the_camera_ends_the_run(modules, tmp_path):
    assert supervise(modules, tmp_path, node=SLEEP, camera='', collector=COLLECT) == {'poses': 3}


@pytest.mark.parametrize('sources, message', [
    ({'node': 'raise SystemExit("Error: no weights")'}, 'node ended .exit code 1.: .*no weights'),
    ({'node': ''}, 'node ended .exit code 0.'),
    ({'node': 'import os; os.kill(os.getpid(), 9)'}, 'node ended .killed by SIGKILL.'),
    ({'camera': 'raise ValueError("no such bag")'}, 'camera ended .*no such bag'),
    ({'collector': 'raise ValueError("oh")'}, 'collector ended .*oh'),
])
def test_the_death_of_a_process_is_told(sources, message, modules, tmp_path):
    sources = {'node': SLEEP, 'camera': SLEEP, 'collector': COLLECT, **sources}
    with pytest.raises(ChildProcessError, match=message):
        supervise(modules, tmp_path, **sources)


def test_silence_does_not_last_for_ever(modules, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, 'START_S', 0.5)
    with pytest.raises(TimeoutError, match='collector has heard nothing for 0.5 s'):
        supervise(modules, tmp_path, node=SLEEP, camera=SLEEP, collector=SLEEP)


def test_a_listener_that_is_silent_but_does_not_end_is_told(modules, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, 'STOP_S', 0.3)
    silent = 'import os, time; os.close(1); time.sleep(99)\n'
    with pytest.raises(TimeoutError, match='collector has nothing more to say, but does not end'):
        supervise(modules, tmp_path, node=SLEEP, camera=SLEEP, collector=silent)
