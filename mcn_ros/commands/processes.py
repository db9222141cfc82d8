# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A camera, the node and a listener in processes of their own, over real topics, until all is said.

The listener, the only process that is connected with this one, tells on its standard output, one
JSON object per line, how far it is, and at last {"summary": ...}. The end of its standard input
tells it that nothing more will be sent.
"""

from collections.abc import Iterator
import contextlib
import json
import os
from pathlib import Path
import re
import select
import signal
import subprocess
import sys
import time
from typing import Any, Callable, Mapping, Sequence

DISCOVERY = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
# For the processes to start, the network to be loaded and the first result: on a machine with
# other work that has taken more than three minutes.
START_S = 600.0
STALL_S = 60.0  # without any news
STOP_S = 5.0  # for a process to end by itself

# Role -> module of the package; there is one listener. There may be several of another role, named
# 'node.left', 'node.right' and so on.
MODULES = {'node': 'ros.node.mcn_node', 'timed_node': 'trials.timed_node',
           'fuzzed_node': 'trials.fuzzed_node', 'camera': 'ros.tools.camera_player',
           'echo': 'ros.tools.echo', 'collector': 'ros.tools.collector',
           'recorder': 'ros.tools.recorder', 'prober': 'trials.prober', 'fuzzer': 'trials.fuzzer',
           'depth_fuzzer': 'trials.depth_fuzzer', 'space_prober': 'trials.space_prober'}
LISTENERS = ('collector', 'recorder', 'prober', 'fuzzer', 'depth_fuzzer', 'space_prober')
LASTING = ('node', 'timed_node', 'fuzzed_node', 'echo')  # do not end by themselves

# Runs a module as `python -m` does, in a process that Linux ends (with SIGTERM, 15) when its
# parent is killed: 1 is PR_SET_PDEATHSIG. Done by the child itself, as Python code between fork
# and exec may hang where there are threads.
START = ('import ctypes, runpy, sys; ctypes.CDLL(None).prctl(1, 15); del sys.argv[0]; '
         'runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)')


def run_together(parameters: Mapping[str, Mapping[str, Any]], namespace: str, log: Path,
                 hear: Callable[[Mapping[str, Any]], None] = lambda event: None,
                 ) -> dict[str, Any]:
    """
    Run processes until the listener has told its summary.

    :param parameters: process (a role of MODULES, and what tells several apart) -> ROS parameters,
        in the order of their start; an empty list leaves a parameter at its default.
    :param namespace: of all nodes.
    :param log: folder for a log file of each process.
    :param hear: is given what the listener tells on the way.
    :return: the summary.
    :raises ValueError: if the environment keeps them from finding each other.
    :raises OSError: if a process fails or nothing happens for too long.
    """
    if os.environ.get(DISCOVERY) == 'OFF':
        raise ValueError(f'{DISCOVERY}=OFF: the processes of this command would not find each '
                         'other; unset it, or set it to LOCALHOST')
    log.mkdir(parents=True, exist_ok=True)
    environment = ros_environment(log)
    with caught_signals() as caught, contextlib.ExitStack() as stack:
        children = {
            name: stack.enter_context(child(
                f'mcn_ros.{MODULES[role(name)]}', ros_arguments(namespace, values),
                environment, log / f'{name}.txt', piped=role(name) in LISTENERS))
            for name, values in parameters.items()}
        return supervise(children, log, caught, hear)


def reliable(*topics: str) -> dict[str, str]:
    """
    Return the ROS parameters of a node that asks for every image of these topics from the start.

    Otherwise it would subscribe anew once it has seen its cameras.
    """
    return {f'qos_overrides.{topic}.subscription.reliability': 'reliable' for topic in topics}


def role(process: str) -> str:
    """Return the role in the name of a process."""
    return process.partition('.')[0]


def ros_arguments(namespace: str, parameters: Mapping[str, Any]) -> list[str]:
    """Return the command line of a node; a parameter that is an empty list is left out."""
    # JSON is YAML, which ROS reads parameter values as: a path of digits remains a string.
    return ['--ros-args', '-r', f'__ns:={namespace}', *(
        word for key, value in parameters.items() if value != []
        for word in ('-p', f'{key}:={json.dumps(value)}'))]


def ros_environment(log: Path) -> dict[str, str]:
    """
    Return the environment of the processes: what the user has chosen, or what works alone.

    That is a domain of its own, no traffic to other machines, and a transport that images of any
    size get through: with the default of Fast DDS, large best-effort messages are lost.
    """
    defaults = {
        # 1 to 101 are the domains whose ports are free for it on every system.
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 101),
        DISCOVERY: 'LOCALHOST',
        'ROS_LOG_DIR': str(log.resolve()),
        # Where nothing is sourced, messages are described where this Python has them from.
        'AMENT_PREFIX_PATH': sys.prefix,
    }
    if not any(os.environ.get(name) for name in ('FASTRTPS_DEFAULT_PROFILES_FILE',
                                                 'FASTDDS_DEFAULT_PROFILES_FILE')):
        defaults['FASTDDS_BUILTIN_TRANSPORTS'] = 'LARGE_DATA'
    # The processes are started as modules of this package, wherever it lies.
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get('PYTHONPATH'))))
    return {**defaults, **os.environ, 'PYTHONPATH': path}


@contextlib.contextmanager
def caught_signals() -> Iterator[list[int]]:
    """
    Note the signals that ask for an end in a list, for the loop that looks there.

    An exception out of nowhere would leave a process behind that is just being started.
    """
    caught: list[int] = []
    before = {number: signal.signal(number, lambda number, _: caught.append(number))
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def child(module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path,
          piped: bool) -> Iterator[subprocess.Popen]:
    """
    Run a module in a process of its own, which ends with the context whatever happens.

    :param log: file that standard error goes to, and standard output unless it is piped.
    :param piped: connect standard input and output to this process.
    """
    with log.open('wb') as file:
        process = subprocess.Popen(
            [sys.executable, '-u', '-c', START, module, *arguments], env=environment,
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else file, stderr=file, start_new_session=True)
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen) -> None:
    """End a process, and with it whatever it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)


def supervise(children: Mapping[str, subprocess.Popen], log: Path,
              caught: Sequence[int] = (),
              hear: Callable[[Mapping[str, Any]], None] = lambda event: None) -> dict[str, Any]:
    """
    Wait for the summary of the listener; when all cameras have ended, its standard input does.

    :param caught: signals that ask for an end, see :func:`caught_signals`.
    :param hear: is given what the listener tells on the way.
    :raises OSError: if a process ends that should not, or none gives news for too long.
    """
    listening = next(name for name in children if role(name) in LISTENERS)
    listener, patience, last = children[listening], START_S, time.monotonic()
    cameras = [process for name, process in children.items() if role(name) == 'camera']
    for line in _lines(listener.stdout):
        if line:
            event = json.loads(line)
            if 'summary' in event:
                return event['summary']
            hear(event)
            patience, last = STALL_S, time.monotonic()
        if caught:
            sys.exit(128 + caught[0])  # as shells tell it
        if cameras and all(camera.poll() == 0 for camera in cameras):
            listener.stdin.close()  # which tells that everything has been sent
        for name, process in children.items():
            code = None if name == listening else process.poll()
            if code or (role(name) in LASTING and code is not None):
                raise ChildProcessError(_obituary(name, code, log))
        if time.monotonic() > last + patience:
            raise TimeoutError(f'{listening} has heard nothing for {patience:g} s; see {log}')
    try:
        code = listener.wait(STOP_S)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f'{listening} has nothing more to say, but does not end; see '
                           f'{log}') from error
    raise ChildProcessError(_obituary(listening, code, log))


def _lines(stream: Any) -> Iterator[str]:
    """Yield lines as they come, and '' every now and then while none does."""
    buffer = b''
    while True:
        if select.select([stream], [], [], 0.2)[0]:
            data = os.read(stream.fileno(), 65536)
            if not data:
                return
            *complete, buffer = (buffer + data).split(b'\n')
            yield from (line.decode() for line in complete)
        yield ''


def _obituary(name: str, code: int, log: Path) -> str:
    cause = f'exit code {code}' if code >= 0 else f'killed by {signal.Signals(-code).name}'
    return f'{name} ended ({cause}): {last_words(log / f"{name}.txt")}; see {log}'


def last_words(log: Path) -> str:
    """Return the last line of a log that speaks of an error, or else its last line."""
    lines = [line.strip() for line in log.read_text(errors='replace').splitlines()]
    lines = [line for line in lines if line]
    errors = [line for line in lines if re.search('error', line, re.IGNORECASE)]
    words = (errors or lines or ['without a word'])[-1]
    return re.sub(r'^\[\w+\] \[[\d.]+\] \[[^\]]*\]: ', '', words)  # level, time and node
