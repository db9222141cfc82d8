# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`ros2 launch`, where it is installed, in a ROS domain of its own."""

import os
import shutil
import signal
import subprocess
import time

import pytest

PATIENCE_S = 120  # starting Python with PyTorch takes long on a busy machine


class Launch:
    """A launch that runs in a process of its own."""

    def __init__(self, command, environment, log):
        self.log = log
        with open(log, 'w') as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=environment)

    def wait_for(self, text):
        """Return what has been logged when a text is there."""
        end = time.monotonic() + PATIENCE_S
        while text not in self.log.read_text():
            assert time.monotonic() < end and self.process.poll() is None, self.log.read_text()
            time.sleep(0.2)
        return self.log.read_text()

    def wait(self, patience_s=PATIENCE_S):
        """Return its exit code, and what it has logged."""
        return self.process.wait(timeout=patience_s), self.log.read_text()

    def interrupt(self):
        """End it as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.wait()


@pytest.fixture
def environment(tmp_path):
    """Return an environment in which nobody else is heard and no transport is chosen."""
    chosen = {'ROS_DOMAIN_ID': str(1 + os.getpid() % 100), 'ROS_LOG_DIR': str(tmp_path),
              'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'PYTHONUNBUFFERED': '1'}
    return {name: value for name, value in os.environ.items()
            if not name.startswith('FAST')} | chosen


@pytest.fixture
def run(environment, tmp_path):
    """Return a function that runs a command which launches something; none outlasts the test."""
    started = []

    def start(*command):
        started.append(Launch(command, environment, tmp_path / f'log{len(started)}'))
        return started[-1]

    yield start
    for launched in started:
        launched.interrupt()


@pytest.fixture
def launch(run):
    """Return a function that starts `ros2 launch` with a launch file and its arguments."""
    if shutil.which('ros2') is None:
        pytest.skip('ros2cli is not installed')
    return lambda file, **arguments: run(
        'ros2', 'launch', 'mcn_ros', file,
        *(f'{name}:={value}' for name, value in arguments.items()))


@pytest.fixture
def package(tmp_path, environment):
    """Return a function that makes a ROS package with a program, which comes before others."""
    prefix = tmp_path / 'prefix'
    environment['AMENT_PREFIX_PATH'] = f'{prefix}:{environment["AMENT_PREFIX_PATH"]}'

    def make(name, program, script):
        index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
        index.mkdir(parents=True, exist_ok=True)
        (index / name).touch()
        path = prefix / 'lib' / name / program
        path.parent.mkdir(parents=True)
        path.write_text(f'#!/bin/sh\n{script}\n')
        path.chmod(0o755)
        return path

    return make
