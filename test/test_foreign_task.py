# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Tasks that the package has never heard of go all the way through it.

The README's glass is of a type that it knows, :mod:`scene_task` brings a type of its own, and
``parts`` is a second task of a kind.
"""

from importlib import import_module
from importlib.util import find_spec
import json
import os
from pathlib import Path
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
import yaml

from mcn_ros.commands import evaluate, evaluate_bag, export_onnx, images_to_bag, train
from mcn_ros.data.bags import Bag
from mcn_ros.data.labels import READERS
from mcn_ros.data.results import RESULTS
from mcn_ros.evaluation.recording import Recording
from mcn_ros.evaluation.scorers import SCORERS
from mcn_ros.evaluation.topic_truth import TopicTruth, TRUTHS
from mcn_ros.runtime import load_predictor, RuntimeConfig
from mcn_ros.tasks import TASKS
from mcn_ros.visualization import DRAWINGS

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = 'glass', 'scene_task'
COUNT, HEIGHT, WIDTH = 4, 48, 64
HEADS = {'glass': {}, 'scene': {}, 'parts': {'kind': 'segmentation', 'classes': ['inside']}}
FIGURES = {'glass': 'maxF', 'scene': 'accuracy', 'parts': 'mIoU'}
TABLES = [TASKS, READERS, SCORERS, DRAWINGS, RESULTS, TRUTHS]
HAVE_ROS = bool(find_spec('rclpy') and find_spec('vision_msgs'))
if HAVE_ROS:
    from mcn_ros.ros.node.converters import CONVERTERS
    TABLES.append(CONVERTERS)


@pytest.fixture(scope='module')
def plugins(tmp_path_factory):
    """Import the tasks, here and in other processes, until the tests of the file are done."""
    folder = tmp_path_factory.mktemp('plugins')
    section = (ROOT / 'README.md').read_text().partition('## Add a task')[2]
    (folder / 'glass.py').write_text(re.search('```python\n(.*?)```', section, re.S)[1])
    path = os.pathsep.join(map(str, (folder, Path(__file__).parent)))
    before = [dict(table) for table in TABLES]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PYTHONPATH', os.pathsep.join([path, os.environ.get('PYTHONPATH', '')]))
        patch.setenv('MCN_ROS_PLUGINS', ','.join(PLUGINS))
        patch.syspath_prepend(Path(__file__).parent)
        patch.syspath_prepend(folder)
        for name in PLUGINS:
            sys.modules.pop(name, None)
            import_module(name)
        yield
    for name in PLUGINS:
        del sys.modules[name]
    for table, content in zip(TABLES, before):
        table.clear()
        table.update(content)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Draw squares in the dark and in the light, and label them for all the tasks."""
    folder, rng = tmp_path_factory.mktemp('data'), np.random.default_rng(0)
    (folder / 'maps').mkdir()
    images = []
    for number in range(1, COUNT + 1):
        square = np.zeros((HEIGHT, WIDTH), np.uint8)
        top, left = rng.integers(0, (HEIGHT - 24, WIDTH - 24))
        square[top:top + 24, left:left + 24] = 1
        pixels = np.full((HEIGHT, WIDTH, 3), 60 + 80 * (number % 2), np.uint8)
        pixels[square == 1] += 100
        cv2.imwrite(str(folder / f'{number}.png'), pixels)
        cv2.imwrite(str(folder / 'maps' / f'{number}.png'), square)
        images.append({'id': number, 'file_name': f'{number}.png', 'width': WIDTH,
                       'height': HEIGHT, 'scene': ('dark', 'bright')[number % 2],
                       'maps': dict.fromkeys(('glass', 'parts'), f'maps/{number}.png')})
    categories = [{'id': 1, 'name': 'inside'}]
    (folder / 'annotations.json').write_text(json.dumps(
        {'images': images, 'annotations': [], 'categories': categories}))
    return folder


@pytest.fixture(scope='module')
def weights(plugins, folder, tmp_path_factory):
    """Train a tiny network for twenty steps."""
    run = tmp_path_factory.mktemp('run') / 'run'
    data = {'annotations': str(folder / 'annotations.json'), 'images': str(folder)}
    config = run.with_name('config.yaml')
    config.write_text(yaml.safe_dump({
        'run': str(run), 'datasets': [data], 'validation': data, 'backbone_weights': None,
        'model': {'trunk': {'backbone': 'shufflenet_v2_x0_5', 'channels': 16},
                  'tasks': {name: {**fields, 'head': {'width': 8}}
                            for name, fields in HEADS.items()}, 'input_size': [64, 64]},
        'train_size': [64, 64], 'steps': 20, 'batch_size': 2, 'warmup_steps': 2, 'workers': 0,
        'device': 'cpu'}))
    train.main([str(config)])
    return run / 'weights.safetensors'


@pytest.fixture(scope='module')
def bag(plugins, folder, tmp_path_factory):
    """Write the images to a bag, and their annotations beside them."""
    path = tmp_path_factory.mktemp('bags') / 'bag'
    images_to_bag.main(['--images', str(folder), '--annotations',
                        str(folder / 'annotations.json'), '--out', str(path)])
    return path


def arguments(weights, path, *extra):
    return [*map(str, extra), '--weights', str(weights), '--device', 'cpu', '--backend', 'torch',
            '--json', str(path / 'scores.json'), '--report', str(path / 'report')]


def check_results(path, pictures=('prediction', 'annotation')):
    """Check that every head has scores, of all images, and a part of the report."""
    scores = json.loads((path / 'scores.json').read_text())
    assert scores['images'] == COUNT
    page = (path / 'report' / 'index.html').read_text()
    for name, figure in FIGURES.items():
        assert 0 <= scores[name][figure] <= 1, name
        assert name in page and figure in page
    assert all(word in page for word in ('data:image/jpeg', *pictures))
    return scores


def test_they_are_trained_and_evaluated(weights, folder, tmp_path, capsys):
    evaluate.main(arguments(weights, tmp_path, '--annotations', folder / 'annotations.json',
                            '--images', folder))
    scores = check_results(tmp_path)
    told = capsys.readouterr().out
    assert all(figure in told for figure in FIGURES.values())
    validated = json.loads((weights.parent / 'metrics.json').read_text())[-1]
    assert {f'{name}/cross_entropy' for name in HEADS} < validated['losses'].keys()
    assert validated['scores']['images'] == COUNT
    # The same weights on the same images.
    for name, figure in FIGURES.items():
        assert validated['scores'][name][figure] == pytest.approx(scores[name][figure])


def test_they_are_exported(weights, tmp_path, capsys):
    export_onnx.main(['--weights', str(weights), '--out', str(tmp_path / 'tasks.onnx')])
    told = capsys.readouterr().out
    assert {'glass', 'scene', 'parts'} <= set(re.findall(r'^  (\w+)', told, re.M)), told


def test_the_predictor_finds_them(weights, folder):
    found = load_predictor(weights, None, RuntimeConfig('cpu', 'torch'))(
        np.zeros((40, 50, 3), np.uint8))
    assert found['glass'].values.shape == found['parts'].labels.shape == (40, 50)
    assert found['scene'].chances.shape == (2,)


def test_they_are_evaluated_on_a_bag(weights, bag, tmp_path):
    evaluate_bag.main(arguments(weights, tmp_path, '--bag', bag))
    assert check_results(tmp_path)['bag']['scored'] == COUNT


@pytest.mark.skipif(not HAVE_ROS, reason='ROS 2 is not installed')
def test_the_node_publishes_them(weights, bag, tmp_path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')  # as here
    evaluate_bag.main(arguments(weights, tmp_path, '--bag', bag, '--mode', 'replay', '--rate',
                                0.5, '--recording', tmp_path / 'recording'))
    scores = check_results(tmp_path)
    agreement = scores['replay']['agreement']
    assert agreement['frames'] == agreement['equal'] == scores['replay']['frames_processed'] > 0
    # What has been said of a scene can be the truth for another network.
    with Bag(tmp_path / 'recording') as recorded:
        truth = TopicTruth(recorded, ['/mcn/scene'], Recording(recorded).tasks)
        assert {value.chances.shape for found in truth.annotations.values()
                for value in found.values()} == {(2,)}


def test_a_plug_in_that_is_not_there_is_named():
    told = subprocess.run([sys.executable, '-c', 'import mcn_ros'], capture_output=True, text=True,
                          env={**os.environ, 'MCN_ROS_PLUGINS': 'json,nowhere'})
    assert told.returncode and told.stderr.splitlines()[-1] == (
        "ImportError: MCN_ROS_PLUGINS: nowhere: No module named 'nowhere'")
