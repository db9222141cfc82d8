# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The kinds of tasks that answer for every pixel go all the way from labels to scores."""

from dataclasses import replace
import json
import re

import cv2
import numpy as np
import pytest
import torch
import yaml

from mcn_ros.commands import evaluate, export_onnx, train
from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.synthetic.recipes import RECIPES
from mcn_ros.data.synthetic.write import write_dataset
from mcn_ros.evaluation.scorers import Scorers
from mcn_ros.geometry import Grid, scaling, STRIDE
from mcn_ros.runtime import load_predictor, RuntimeConfig
from mcn_ros.structures import ClassMap, ClassPlanes, LineMap, ScalarMap, VectorMap
from mcn_ros.tasks import build_tasks

COUNT, HEIGHT, WIDTH = 4, 48, 64
SIDE = 128  # of drawn scenes
HEADS = {'boundaries': {}, 'normals': {}, 'saliency': {}, 'parts': {}, 'foreground': {},
         'semantic_boundaries': {'classes': ['square']}}
FIGURES = {'boundaries': ('ODS', 'AP'), 'normals': ('mean', 'mean_facing', 'below_30'),
           'saliency': ('maxF', 'maxF_mean', 'maxF_center'),
           'foreground': ('maxF', 'MAE'),
           'parts': ('mIoU', 'mIoU_classes', 'mIoU_background'),
           'semantic_boundaries': ('mMF', 'mMF_present', 'mAP')}
PREDICTED = {'boundaries': LineMap, 'normals': VectorMap, 'saliency': ScalarMap,
             'foreground': ScalarMap, 'parts': ClassMap, 'semantic_boundaries': ClassPlanes}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Draw a square that stands out of each image, with an own part and direction inside."""
    folder, rng = tmp_path_factory.mktemp('data'), np.random.default_rng(0)
    images, objects = [], []
    for number in range(1, COUNT + 1):
        square = np.zeros((HEIGHT, WIDTH), np.uint8)
        top, left = (int(each) for each in rng.integers(4, (HEIGHT - 28, WIDTH - 28)))
        square[top:top + 24, left:left + 24] = 1
        cv2.imwrite(str(folder / f'{number}.png'), np.repeat(60 + 120 * square[..., None], 3, 2))
        # Colours of (0, 0, -1) and, inside, of (.6, 0, -.8); OpenCV has blue first.
        vectors = np.where(square[..., None], np.uint8([26, 128, 204]), np.uint8([0, 128, 128]))
        maps = {'saliency': square, 'parts': 3 * square, 'normals': vectors,
                'boundaries': square.astype(np.uint16)}
        for name, values in maps.items():
            cv2.imwrite(str(folder / f'{name}_{number}.png'), values)
        images.append({'id': number, 'file_name': f'{number}.png', 'width': WIDTH,
                       'height': HEIGHT,
                       'maps': {name: f'{name}_{number}.png' for name in maps}})
        corners = [left, top, left + 24, top, left + 24, top + 24, left, top + 24]
        objects.append({'id': number, 'image_id': number, 'category_id': 1, 'iscrowd': 0,
                        'bbox': [left, top, 24, 24], 'area': 576, 'segmentation': [corners]})
    (folder / 'annotations.json').write_text(json.dumps(
        {'images': images, 'annotations': objects, 'categories': [{'id': 1, 'name': 'square'}]}))
    return folder


@pytest.fixture(scope='module')
def weights(folder, tmp_path_factory):
    """Train a tiny network for a few steps."""
    run = tmp_path_factory.mktemp('run') / 'run'
    data = {'annotations': str(folder / 'annotations.json'), 'images': str(folder)}
    config = run.with_name('config.yaml')
    config.write_text(yaml.safe_dump({
        'run': str(run), 'datasets': [data], 'validation': data, 'backbone_weights': None,
        'model': {'trunk': {'backbone': 'shufflenet_v2_x0_5', 'channels': 16},
                  'tasks': {name: {**fields, 'head': {'width': 8}}
                            for name, fields in HEADS.items()}, 'input_size': [64, 64]},
        'train_size': [64, 64], 'steps': 6, 'batch_size': 2, 'warmup_steps': 2, 'workers': 0,
        'device': 'cpu'}))
    train.main([str(config)])
    return run / 'weights.safetensors'


def test_they_are_trained_and_evaluated(weights, folder, tmp_path, capsys):
    evaluate.main([
        '--weights', str(weights), '--annotations', str(folder / 'annotations.json'), '--images',
        str(folder), '--device', 'cpu', '--backend', 'torch', '--json',
        str(tmp_path / 'scores.json'), '--report', str(tmp_path / 'report')])
    scores, told = json.loads((tmp_path / 'scores.json').read_text()), capsys.readouterr().out
    page = (tmp_path / 'report' / 'index.html').read_text()
    assert scores['images'] == COUNT
    for name, figures in FIGURES.items():
        for figure in figures:
            assert 0 <= scores[name][figure] <= (180 if 'mean' == figure[:4] else 1), figure
            assert figure in told and figure in page
    # What a guess scores on these images is known.
    assert scores['normals']['mean_facing'] == pytest.approx(
        36.87 * 24 ** 2 / (HEIGHT * WIDTH), abs=0.5)
    assert scores['parts']['mIoU_background'] == pytest.approx(
        (1 - 24 ** 2 / (HEIGHT * WIDTH)) / 7)
    losses = json.loads((weights.parent / 'metrics.json').read_text())[-1]['losses']
    assert {f'{name}/{"direction" if name == "normals" else "cross_entropy"}'
            for name in HEADS} <= losses.keys()


def test_they_are_exported_and_found(weights, tmp_path, capsys):
    export_onnx.main(['--weights', str(weights), '--out', str(tmp_path / 'tasks.onnx')])
    told = capsys.readouterr().out
    assert HEADS.keys() <= set(re.findall(r'^  (\w+)', told, re.M)), told
    found = load_predictor(weights, None, RuntimeConfig('cpu', 'torch'))(
        np.zeros((40, 50, 3), np.uint8))
    assert {name: type(value) for name, value in found.items()} == PREDICTED
    assert all(value.size == (40, 50) for value in found.values())
    lengths = np.linalg.norm(found['normals'].vectors, axis=2)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


@pytest.mark.parametrize('full_resolution', [False, True])
def test_maps_of_drawn_scenes_that_are_perfect(tmp_path, full_resolution):
    """Cells of two pixels cannot say what parts and outlines are; maps at input size can."""
    write_dataset(tmp_path, 2, 5, (SIDE, SIDE), RECIPES['simple'])
    tasks = build_tasks({
        name: {'full_resolution': full_resolution, **fields} for name, fields in HEADS.items()
        if name not in ('foreground', 'semantic_boundaries')})
    data = CocoDataset(tmp_path / 'annotations.json', tmp_path / 'images', tasks)
    scorers = Scorers(tasks)
    for sample in map(data.__getitem__, range(len(data))):
        seen = sample.warp(scaling(2), (2 * SIDE, 2 * SIDE)).annotations
        scorers.add({name: perfect(task, seen[name]).warp(scaling(0.5), (SIDE, SIDE))
                     for name, task in tasks.items() if name in seen}, sample.annotations)
    result = scorers.result()
    scores = {name: result[name][FIGURES[name][0]] for name in tasks}
    if full_resolution:
        assert min(scores[name] for name in ('boundaries', 'saliency', 'parts')) > 0.99
        assert scores['normals'] < 0.1
    else:
        assert scores['parts'] < 0.9 and scores['saliency'] < 0.98
        assert 1 < scores['normals'] < 10 and scores['boundaries'] > 0.8


def perfect(task, annotation):
    """Return what a network would predict that has learned the targets of an image by heart."""
    targets = task.encode(annotation, Grid(2 * SIDE // STRIDE, 2 * SIDE // STRIDE, STRIDE))
    if 'normals' in targets:
        outputs = {'vectors': targets['normals']}
    elif 'labels' in targets:
        outputs = {'logits': torch.eye(len(task.classes) + 1)[targets['labels'].long()]
                   .permute(2, 0, 1)}
    else:
        outputs = {'logits': torch.where(targets['values'] == 1, 10.0, -10.0)}
    found = task.decode({name: values[None] for name, values in outputs.items()})
    return replace(found, **{name: getattr(found, name)[0].numpy() for name in found.ROWS})
