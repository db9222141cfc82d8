# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The demo: its processes, what becomes of them, and a run through real topics."""

from importlib.util import find_spec
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch

from mcn_ros.commands import demo
from mcn_ros.model import ModelConfig, MultiTaskNet, save_model

ROOT = Path(__file__).resolve().parents[2]
needs_ros = pytest.mark.skipif(
    not (find_spec('rclpy') and find_spec('vision_msgs')), reason='ROS 2 is not installed')


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Write weights of a random network that sees something in every picture."""
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    tasks = {'detection': {'classes': ['person', 'dog']}, 'pose': {},
             'segmentation': {'classes': ['person']}}
    torch.manual_seed(0)
    model = MultiTaskNet(ModelConfig(tasks, input_size=(128, 160)))
    for name, parameter in model.heads.named_parameters():
        if 'heatmap' in name and name.endswith('bias'):
            parameter.data += 8.0
    save_model(model, path)
    return path


@pytest.fixture
def modules(tmp_path):
    """Return a function that writes a module, and the environment that finds it."""
    def write(name, source):
        (tmp_path / f'{name}.py').write_text(source)
        return name
    return write, {**os.environ, 'PYTHONPATH': str(tmp_path)}


def arguments(*extra):
    return demo.parse([str(word) for word in extra])


def is_alive(pid):
    """Return whether a process runs; one that has ended but was not waited for does not."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def wait_for(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def test_the_environment_is_the_users_where_there_is_one(tmp_path, monkeypatch):
    names = ('ROS_DOMAIN_ID', 'FASTDDS_BUILTIN_TRANSPORTS', 'FASTDDS_DEFAULT_PROFILES_FILE',
             'FASTRTPS_DEFAULT_PROFILES_FILE')
    for name in names:
        monkeypatch.delenv(name, raising=False)
    alone = demo.ros_environment(tmp_path)
    assert 1 <= int(alone['ROS_DOMAIN_ID']) <= 101
    assert alone['FASTDDS_BUILTIN_TRANSPORTS'] == 'LARGE_DATA'
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', 'mine.xml')
    assert 'FASTDDS_BUILTIN_TRANSPORTS' not in demo.ros_environment(tmp_path)
    monkeypatch.setenv('ROS_DOMAIN_ID', '42')
    monkeypatch.setenv('FASTDDS_BUILTIN_TRANSPORTS', 'UDPv4')
    chosen = demo.ros_environment(tmp_path)
    assert chosen['ROS_DOMAIN_ID'] == '42' and chosen['FASTDDS_BUILTIN_TRANSPORTS'] == 'UDPv4'


def test_arguments_of_the_processes_are_yaml(tmp_path):
    args = arguments('--source', '007', '--heads', 'pose', 'detection', '--out', tmp_path)
    lines = demo.ros_arguments(args, Path('/weights of mine'), '/demo')
    assert 'source:="007"' in lines['camera'] and 'rate:=0.0' in lines['camera']
    assert 'heads:=["pose", "detection"]' in lines['node']
    assert 'weights:="/weights of mine"' in lines['node']
    drawn = demo.ros_arguments(arguments(), Path('w'), '/demo')
    assert 'rate:=4.0' in drawn['camera']
    assert not any(word.startswith('heads') for word in drawn['node'])


@pytest.mark.parametrize('frames, source', [(0, 'SYNTHETIC'), (-1, 'SYNTHETIC'), (-1, 'x.mp4')])
def test_there_must_be_an_end(frames, source, tmp_path):
    with pytest.raises(ValueError, match=f'frames: .* {frames}'):
        demo.run(arguments('--frames', frames, '--source', source, '--out', tmp_path))


def test_last_words_are_the_error(tmp_path):
    log = tmp_path / 'log.txt'
    log.write_text('[INFO] [1.5] [mcn]: hello\n'
                   '[ERROR] [1700.25] [mcn]: cannot configure: no weights\n\nbye\n')
    assert demo.last_words(log) == 'cannot configure: no weights'
    log.write_text('Traceback:\n  File\nKeyError: 3\n')
    assert demo.last_words(log) == 'KeyError: 3'
    log.write_text('starting\n')
    assert demo.last_words(log) == 'starting'
    log.write_text('')
    assert demo.last_words(log) == 'without a word'


def test_nothing_outlives_the_demo(modules, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, 'STOP_S', 0.3)
    write, environment = modules
    name = write('deaf', 'import signal, subprocess, sys, time\n'
                 'signal.signal(signal.SIGTERM, signal.SIG_IGN)\n'
                 'p = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])\n'
                 'print(p.pid)\n'
                 'time.sleep(99)\n')
    log = tmp_path / 'log.txt'
    with pytest.raises(KeyError):
        with demo.child(name, [], environment, log, piped=False) as process:
            wait_for(lambda: log.read_text().strip())
            raise KeyError('anything')
    grandchild = int(log.read_text())
    wait_for(lambda: not is_alive(process.pid) and not is_alive(grandchild))


def supervise(modules, tmp_path, **sources):
    write, environment = modules
    with demo.contextlib.ExitStack() as stack:
        children = {name: stack.enter_context(demo.child(
            write(f'fake_{name}', source), [], environment, tmp_path / f'{name}.txt',
            piped=name == 'collector')) for name, source in sources.items()}
        return demo.supervise(children, tmp_path)


SLEEP = 'import time; time.sleep(99)\n'
# Tells its sums when its input ends.
COLLECT = 'import sys; print("{}"); sys.stdin.read(); print(\'{"summary": {"poses": 3}}\')\n'


def test_the_end_of_the_camera_ends_the_demo(modules, tmp_path):
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
    monkeypatch.setattr(demo, 'START_S', 0.5)
    with pytest.raises(TimeoutError):
        supervise(modules, tmp_path, node=SLEEP, camera=SLEEP, collector=SLEEP)


def test_contact_sheet_spreads_over_the_run(tmp_path):
    for index in range(30):
        cv2.imwrite(str(tmp_path / f'overlay_{index:06d}.png'), np.full((30, 40, 3), 8 * index))
    demo.write_contact_sheet(tmp_path)
    shades = set(np.unique(cv2.imread(str(tmp_path / 'contact_sheet.png'))))
    assert {0, 8 * 29, 255} <= shades and len(shades) == 13


def start(weights, out, *extra):
    code = 'import sys; sys.argv[0] = "demo"; from mcn_ros.commands.demo import main; main()'
    words = ['--weights', weights, '--out', out, '--device', 'cpu', *extra]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    return subprocess.Popen(
        [sys.executable, '-c', code, *map(str, words)], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@needs_ros
def test_pictures_and_numbers_of_a_real_run(weights, tmp_path):
    process = start(weights, tmp_path, '--frames', 4)
    output, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary.keys() == {
        'frames_sent', 'frames_processed', 'detections', 'poses', 'semantic_images', 'latency_ms',
        'device', 'backend', 'heads', 'weights'}
    assert summary['frames_sent'] == 4
    # The first frames may be superseded on a busy machine; the last one never is.
    assert 1 <= summary['frames_processed'] == summary['semantic_images'] <= 4
    assert summary['detections'] > 0 and summary['poses'] > 0
    latency = summary['latency_ms']
    assert 0 < latency['p50'] <= latency['p95'] <= latency['p99'] < 60000
    assert summary['heads'] == ['detection', 'pose', 'segmentation']
    assert (summary['device'], summary['weights']) == ('cpu', str(weights))
    overlays = sorted(tmp_path.glob('overlay_*.png'))
    assert len(overlays) == summary['frames_processed']
    assert cv2.imread(str(overlays[0])).shape == (480, 640, 3)
    assert (tmp_path / 'contact_sheet.png').is_file()
    assert str(tmp_path / 'contact_sheet.png') in output


@needs_ros
def test_a_node_that_cannot_start_fails_the_demo(weights, tmp_path):
    process = start(weights, tmp_path, '--heads', 'depth')
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert error.count('\n') == 1 and 'heads: depth' in error
    assert not (tmp_path / 'summary.json').exists()


@needs_ros
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_all_processes(number, weights, tmp_path):
    process = start(weights, tmp_path, '--frames', 10000)
    try:
        children = Path(f'/proc/{process.pid}/task/{process.pid}/children')
        wait_for(lambda: len(children.read_text().split()) == 3, seconds=60)
        pids = children.read_text().split()
        # Not before the last child can hear that its parent is killed.
        time.sleep(1 if number == signal.SIGKILL else 0)
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    wait_for(lambda: not any(map(is_alive, pids)))
