# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The demo: what it asks for, and a run through real topics."""

from importlib.util import find_spec
import json
import os
from pathlib import Path
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

from mcn_ros.commands import demo
from mcn_ros.data.frames import read_frames

ROOT = Path(__file__).resolve().parents[2]
needs_ros = pytest.mark.skipif(
    not (find_spec('rclpy') and find_spec('vision_msgs')), reason='ROS 2 is not installed')


def arguments(*extra):
    return demo.parse([str(word) for word in extra])


def test_parameters_of_the_processes(tmp_path):
    args = arguments('--source', '007', '--heads', 'pose', 'detection', '--out', tmp_path)
    given = demo.node_parameters(args, '007', Path('/weights of mine'), '/demo')
    assert (given['camera']['source'], given['camera']['rate']) == ('007', 0.0)
    assert given['node']['heads'] == ['pose', 'detection']
    assert given['node']['weights'] == '/weights of mine'
    drawn = demo.node_parameters(arguments(), 'SYNTHETIC', Path('w'), '/demo')
    assert drawn['camera']['rate'] == 4.0 and drawn['node']['heads'] == []


def test_images_of_a_folder_are_sent_one_by_one(tmp_path):
    (tmp_path / 'bag').mkdir()
    (tmp_path / 'bag' / 'metadata.yaml').touch()
    (tmp_path / 'images').mkdir()
    for words, source, expected in (
            ([], tmp_path / 'images', True), ([], tmp_path / 'bag', False), ([], 'x.mp4', False),
            (['--one-by-one'], 'x.mp4', True)):
        camera = demo.node_parameters(arguments(*words), str(source), Path('w'), '/demo')['camera']
        assert camera['one_by_one'] is expected


def test_the_film_is_small_and_has_its_licence_beside_it():
    film = Path(demo.film())
    assert film.stat().st_size < 1_000_000
    notice = film.with_suffix('.md').read_text()
    for word in ('Intel', 'sample-videos', 'CC BY 4.0', 'licenses/by/4.0', 'Changes'):
        assert word in notice
    frames = list(read_frames(str(film)))
    assert 60 <= len(frames) <= 80
    assert {frame.image.shape for frame in frames} == {(270, 480, 3)}
    # It is played at a pace that a small CPU keeps up with.
    assert set(np.diff([frame.stamp_ns for frame in frames])) == {200_000_000}


def test_the_film_is_found_where_it_is_installed(tmp_path, monkeypatch):
    folders = [tmp_path / 'tree', tmp_path / 'share']
    monkeypatch.setattr(demo, 'share_folders', lambda name: [path / name for path in folders])
    with pytest.raises(ValueError, match='source: the film .*name a source'):
        demo.run(arguments('--out', tmp_path / 'out'))
    place = folders[1] / 'examples' / demo.FILM
    place.parent.mkdir(parents=True)
    place.touch()
    assert demo.film() == str(place)


@pytest.mark.parametrize('frames, source', [
    (0, 'SYNTHETIC'), (0, 'synthetic'), (-1, 'SYNTHETIC'), (-1, 'x.mp4')])
def test_there_must_be_an_end(frames, source, tmp_path):
    with pytest.raises(ValueError, match=f'frames: .* {frames}'):
        demo.run(arguments('--frames', frames, '--source', source, '--out', tmp_path))


def test_contact_sheet_spreads_over_the_run(tmp_path):
    for index in range(30):
        cv2.imwrite(str(tmp_path / f'overlay_{index:06d}.png'), np.full((30, 40, 3), 8 * index))
    sheet = tmp_path / 'sheet.png'
    demo.write_contact_sheet(tmp_path, sheet)
    shades = set(np.unique(cv2.imread(str(sheet))))
    assert {0, 8 * 29, 255} <= shades and len(shades) == 13
    demo.write_contact_sheet(tmp_path, sheet.with_suffix('.jpg'))
    difference = cv2.absdiff(cv2.imread(str(sheet)), cv2.imread(str(sheet.with_suffix('.jpg'))))
    assert 0 < difference.mean() < 3


def test_a_sheet_has_a_known_format(tmp_path):
    with pytest.raises(ValueError, match=r'sheet: .*x.gif .* .png, .jpg'):
        demo.run(arguments('--source', 'no', '--out', tmp_path / 'out', '--sheet', 'x.gif'))
    assert not list(tmp_path.iterdir())


def start(weights, out, *extra):
    code = 'import sys; sys.argv[0] = "demo"; from mcn_ros.commands.demo import main; main()'
    words = ['--weights', weights, '--out', out, '--device', 'cpu', *extra]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    return subprocess.Popen(
        [sys.executable, '-c', code, *map(str, words)], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@needs_ros
def test_pictures_and_numbers_of_a_real_run(seeing_weights, tmp_path):
    process = start(seeing_weights, tmp_path, '--source', 'synthetic', '--frames', 4)
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
    assert (summary['device'], summary['weights']) == ('cpu', str(seeing_weights))
    overlays = sorted(tmp_path.glob('overlay_*.png'))
    assert len(overlays) == summary['frames_processed']
    assert cv2.imread(str(overlays[0])).shape == (480, 640, 3)
    assert (tmp_path / 'contact_sheet.png').is_file()
    assert str(tmp_path / 'contact_sheet.png') in output


@needs_ros
def test_a_node_that_cannot_start_fails_the_demo(seeing_weights, tmp_path):
    process = start(seeing_weights, tmp_path, '--heads', 'depth')
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert error.count('\n') == 1 and 'heads: depth' in error
    assert not (tmp_path / 'summary.json').exists()


@needs_ros
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes(number, seeing_weights, is_alive, wait_for, tmp_path):
    process = start(seeing_weights, tmp_path, '--source', 'SYNTHETIC', '--frames', 10000)
    try:
        children = Path(f'/proc/{process.pid}/task/{process.pid}/children')
        wait_for(lambda: len(children.read_text().split()) == 3, seconds=60)
        pids = children.read_text().split()
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    wait_for(lambda: not any(map(is_alive, pids)))
