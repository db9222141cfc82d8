# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Run a camera and the node, and show what the node sees: pictures and a summary."""

import argparse
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
from typing import Any, Mapping, Sequence

import cv2
import numpy as np

from mcn_ros.commands import clear_errors
from mcn_ros.runtime import weights_path
from mcn_ros.visualization import contact_sheet

START_S = 180.0  # for three processes to start, the network to be loaded and the first result
STALL_S = 60.0  # without any news
STOP_S = 5.0  # for a process to end by itself
SHEET_COLUMNS, SHEET_ROWS = 4, 3
# Of sources without a time of their own: slow enough for the default weights on a small CPU.
DEFAULT_RATE = {'SYNTHETIC': 4.0}

# Runs a module as `python -m` does, in a process that Linux ends (with SIGTERM, 15) when its
# parent is killed: 1 is PR_SET_PDEATHSIG. Done by the child itself, as Python code between fork
# and exec may hang where there are threads.
START = ('import ctypes, runpy, sys; ctypes.CDLL(None).prctl(1, 15); del sys.argv[0]; '
         'runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)')


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='demo', description=__doc__)
    parser.add_argument('--source', default='SYNTHETIC', metavar='SYNTHETIC|VIDEO|IMAGE_DIR|BAG',
                        help='where images come from (default: drawn scenes)')
    parser.add_argument('--topic', default='', help='image topic, if a bag has several')
    parser.add_argument('--frames', type=int, default=40, metavar='N',
                        help='number of frames; 0 for all of the source (default: 40)')
    parser.add_argument('--rate', type=float, metavar='HZ',
                        help='frames per second (default: the pace of the source; 4 for '
                             'SYNTHETIC)')
    parser.add_argument('--out', type=Path, default=Path('runs/demo'), metavar='DIR',
                        help='folder for pictures, summary.json and log files '
                             '(default: runs/demo)')
    parser.add_argument('--weights', default='', metavar='W',
                        help='weights file, or the name of shipped weights')
    parser.add_argument('--heads', nargs='+', default=(), metavar='HEAD',
                        help='heads to run (default: all of the weights)')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    return parser.parse_args(arguments)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """
    Play the source through the node and write what comes out.

    :return: the content of summary.json.
    :raises ValueError: for wrong arguments.
    :raises OSError: if a process fails or nothing happens for too long.
    """
    if args.frames < 0 or (args.frames == 0 and args.source == 'SYNTHETIC'):
        raise ValueError('frames: expected a positive number, or 0 (all) for a source that ends, '
                         f'got {args.frames}')
    weights = weights_path(args.weights)
    log = args.out / 'log'
    log.mkdir(parents=True, exist_ok=True)
    for old in args.out.glob('overlay_*.png'):
        old.unlink()
    environment = ros_environment(log)
    namespace = f'/mcn_demo_{os.getpid()}'
    arguments = ros_arguments(args, weights, namespace)
    with caught_signals() as caught, contextlib.ExitStack() as stack:
        children = {
            name: stack.enter_context(child(
                f'mcn_ros.ros.{module}', arguments[name], environment, log / f'{name}.txt',
                piped=name == 'collector'))
            for name, module in (('node', 'mcn_node'), ('collector', 'collector'),
                                 ('camera', 'camera_player'))}
        summary = supervise(children, log, caught)
    if not summary['frames_processed']:
        raise ChildProcessError(
            f'the node gave no results: {last_words(log / "node.txt")}; see {log}')
    summary['weights'] = str(weights)
    (args.out / 'summary.json').write_text(json.dumps(summary, indent=2) + '\n')
    write_contact_sheet(args.out)
    return summary


def ros_environment(log: Path) -> dict[str, str]:
    """
    Return the environment of the processes: what the user has chosen, or what works alone.

    That is a domain of its own, no traffic to other machines, and a transport that images of any
    size get through: with the default of Fast DDS, large best-effort messages are lost.
    """
    defaults = {
        # 1 to 101 are the domains whose ports are free for it on every system.
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 101),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_LOG_DIR': str(log.resolve()),
    }
    if not any(os.environ.get(name) for name in ('FASTRTPS_DEFAULT_PROFILES_FILE',
                                                 'FASTDDS_DEFAULT_PROFILES_FILE')):
        defaults['FASTDDS_BUILTIN_TRANSPORTS'] = 'LARGE_DATA'
    # The processes are started as modules of this package, wherever it lies.
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get('PYTHONPATH'))))
    return {**defaults, **os.environ, 'PYTHONPATH': path}


def ros_arguments(args: argparse.Namespace, weights: Path, namespace: str,
                  ) -> dict[str, list[str]]:
    """Return the command line of each process."""
    rate = args.rate if args.rate is not None else DEFAULT_RATE.get(args.source, 0.0)
    parameters = {
        'node': {'weights': str(weights.resolve()), 'heads': list(args.heads),
                 'device': args.device,
                 # Otherwise it would subscribe anew once it has seen the camera.
                 f'qos_overrides.{namespace}/image.subscription.reliability': 'reliable'},
        'collector': {'out': str(args.out.resolve())},
        'camera': {'source': args.source, 'topic': args.topic, 'frames': args.frames,
                   'rate': float(rate), 'wait_for_subscribers': 2},
    }
    # JSON is YAML, which ROS reads parameter values as: a path of digits remains a string.
    return {name: ['--ros-args', '-r', f'__ns:={namespace}', *(
        word for key, value in values.items() if value != []
        for word in ('-p', f'{key}:={json.dumps(value)}'))]
        for name, values in parameters.items()}


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
              caught: Sequence[int] = ()) -> dict[str, Any]:
    """
    Wait for the summary of the collector.

    :param caught: signals that ask for an end, see :func:`caught_signals`.
    :raises OSError: if a process ends that should not, or none gives news for too long.
    """
    collector, deadline = children['collector'], time.monotonic() + START_S
    for line in _lines(collector.stdout):
        if line:
            event = json.loads(line)
            if 'summary' in event:
                return event['summary']
            deadline = time.monotonic() + STALL_S
        if caught:
            sys.exit(128 + caught[0])  # as shells tell it
        if children['camera'].poll() == 0:
            collector.stdin.close()  # which tells that everything has been sent
        for name in ('node', 'camera'):
            code = children[name].poll()
            if code or (name == 'node' and code is not None):
                raise ChildProcessError(_obituary(name, code, log))
        if time.monotonic() > deadline:
            raise TimeoutError(f'nothing has happened for too long; see {log}')
    raise ChildProcessError(_obituary('collector', collector.wait(STOP_S), log))


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


def write_contact_sheet(out: Path) -> None:
    """Put overlays, evenly spread over the run, together in one picture."""
    overlays = sorted(out.glob('overlay_*.png'))
    count = min(len(overlays), SHEET_COLUMNS * SHEET_ROWS)
    chosen = np.linspace(0, len(overlays) - 1, count).round().astype(int)
    images = [cv2.imread(str(overlays[index])) for index in chosen]
    cv2.imwrite(str(out / 'contact_sheet.png'),
                contact_sheet(images, min(SHEET_COLUMNS, count)))


def report(summary: Mapping[str, Any], out: Path) -> str:
    """Return what to tell at the end."""
    latency = ', '.join(f'{name} {value:.0f} ms' for name, value in summary['latency_ms'].items())
    dropped = summary['frames_sent'] - summary['frames_processed']
    return '\n'.join([
        f'{summary["frames_processed"]} of {summary["frames_sent"]} frames processed '
        f'({dropped} dropped) on {summary["device"]}: {summary["detections"]} detections, '
        f'{summary["poses"]} poses, {summary["semantic_images"]} semantic images',
        f'latency from camera to result: {latency}',
        f'pictures: {out / "contact_sheet.png"}, {out}/overlay_*.png; '
        f'numbers: {out / "summary.json"}'])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the demo."""
    args = parse(arguments)
    with clear_errors():
        print('starting the camera and the node ...', flush=True)
        print(report(run(args), args.out))
