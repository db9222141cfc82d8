# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Two processes write, to the digit, what one writes: of images, of the frames of a bag, of bags.

This file is the program of the processes, too: it takes the folder of the files.
"""

import json
import os
from pathlib import Path
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from torch import distributed

from mcn_ros.commands import evaluate, evaluate_bag, pseudo_label
from mcn_ros.data.bag_writer import BagConfig, coco_frames, write_bag
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime import RuntimeConfig
from mcn_ros.runtime.predictor import Predictor
from mcn_ros.vocabulary import COCO_SKELETON
from mcn_ros.weights_file import save_model

COUNT = 5  # images: the processes have different numbers of them
UNREADABLE = '3.png'  # the second process comes to it
PATIENCE = 280  # seconds, fewer than a test may take


def network():
    """Return a random network that is sure to see many things of middling size."""
    torch.manual_seed(0)
    head = {'head': {'width': 8}}
    model = MultiTaskNet(ModelConfig(
        {'detection': {'classes': ['person', 'dog'], **head}, 'pose': head,
         'segmentation': {'classes': ['person'], **head}},
        TrunkConfig('shufflenet_v2_x0_5', channels=8), (64, 96)))
    for name, parameter in model.heads.named_parameters():
        if name.endswith('bias'):
            parameter.data += 2.0 * ('heatmap' in name) + 6.0 * ('size' in name)
    return model.eval()


def entries(found, image_id):
    """Return annotations of some of what was found in an image, so that some of it is right."""
    objects, people = found['detection'], found['pose']
    for index in (0, 3, 50):
        left, top, right, bottom = objects.boxes[index].tolist()
        width, height = right - left, bottom - top
        yield {'image_id': image_id, 'category_id': int(objects.classes[index]) + 1,
               'iscrowd': 0, 'bbox': [left, top, width, height], 'area': width * height,
               'segmentation': [[left, top, right, top, right, bottom]]}
    left, top, right, bottom = people.boxes[image_id].tolist()
    points = np.hstack([people.keypoints[image_id], np.full((17, 1), 2)])
    yield {'image_id': image_id, 'category_id': 1, 'iscrowd': 0,
           'bbox': [left, top, right - left, bottom - top], 'area': 400,
           'segmentation': [[left, top, right, top, right, bottom]],
           'keypoints': points.ravel().tolist(), 'num_keypoints': 17}


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Write images that are labelled in part, bags of them, and a folder where one is damaged."""
    folder, rng, model = tmp_path_factory.mktemp('files'), np.random.default_rng(0), network()
    save_model(model, folder / 'w.safetensors')
    predictor = Predictor(model, RuntimeConfig('cpu', 'torch'))
    images, annotations = [], []
    for name in ('images', 'damaged', 'bags'):
        (folder / name).mkdir()
    for index in range(COUNT):
        pixels = rng.integers(0, 256, (96, 128, 3), np.uint8)
        for name in ('images', 'damaged'):
            cv2.imwrite(str(folder / name / f'{index}.png'), pixels[..., ::-1])
        images.append({'id': index, 'file_name': f'{index}.png', 'width': 128, 'height': 96})
        annotations += [{'id': len(annotations) + number, **entry}
                        for number, entry in enumerate(entries(predictor(pixels), index))]
    images[1]['labelled'] = ['pose']
    images[2]['labelled'] = []
    (folder / 'damaged' / UNREADABLE).write_bytes(b'')
    (folder / 'coco.json').write_text(json.dumps({
        'images': images, 'annotations': annotations, 'categories': [
            {'id': 1, 'name': 'person', 'keypoints': list(COCO_SKELETON.keypoint_names)},
            {'id': 2, 'name': 'dog'}]}))
    frames = list(coco_frames(folder / 'coco.json', folder / 'images'))
    for number, part in enumerate((frames, frames[:2], [*frames[2:], frames[-1]])):
        write_bag(folder / 'bags' / str(number), part, BagConfig('/eye'), folder / 'coco.json')
    return folder


def run(files, out):
    """Run the commands."""
    network = ['--weights', f'{files}/w.safetensors', '--device', 'cpu', '--backend', 'torch']
    data = ['--annotations', f'{files}/coco.json', '--images']
    for main, *arguments in (
            (evaluate.main, *data, f'{files}/images', '--json', f'{out}/images.json', '--report',
             f'{out}/report', '--pictures', '2'),
            (evaluate_bag.main, '--bag', f'{files}/bags/2', '--json', f'{out}/bag.json'),
            (evaluate_bag.main, '--bag', f'{files}/bags', '--json', f'{out}/bags.json'),
            (pseudo_label.main, *data, f'{files}/images', '--maps', '--out', f'{out}/coco'),
            (pseudo_label.main, '--source', f'{files}/bags/0', '--out', f'{out}/bag')):
        main([*arguments, *network])
    (out / 'done').touch()
    evaluate.main([*data, f'{files}/damaged', *network])


@pytest.fixture(scope='module')
def outputs(files):
    """Return the folders that one process and two write, and what the two say at their end."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with pytest.raises(SystemExit):
            run(files, files / 'one')
    finally:
        torch.set_num_threads(threads)
    package = str(Path(evaluate.__file__).parents[2])
    process = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2', '--rdzv-backend',
         'c10d', '--rdzv-endpoint', '127.0.0.1:0', __file__, str(files)],
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'GLOO_SOCKET_IFNAME': 'lo',
             'PYTHONPATH': os.pathsep.join([package, os.environ.get('PYTHONPATH', '')])},
        capture_output=True, text=True, timeout=PATIENCE)
    assert (files / 'two' / 'done').exists(), process.stderr
    return files / 'one', files / 'two', process


def bytes_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob('*')) if path.is_file()}


def test_scores_and_report_of_images_are_the_same(outputs):
    one, two, _ = outputs
    scores = json.loads((one / 'images.json').read_text())
    assert scores.keys() == {'detection', 'pose', 'segmentation', 'images'}
    assert scores['images'] == COUNT
    assert 0 < scores['detection']['AP'] < 1 > scores['pose']['AP'] > 0
    assert (one / 'images.json').read_bytes() == (two / 'images.json').read_bytes()
    assert bytes_of(one / 'report') == bytes_of(two / 'report')


def timeless(path):
    """Return results without what depends on how fast the process was."""
    results = json.loads(path.read_text())
    for result in results.get('bags', [results]):
        assert result['bag'].pop('predictor_ms').keys() == {'p50', 'p95', 'p99'}
    return results


def test_scores_of_a_bag_are_the_same(outputs):
    one, two, _ = outputs
    results = timeless(one / 'bag.json')
    assert results['bag']['frames'] == 4 and results['bag']['repeated'] == 1
    assert results == timeless(two / 'bag.json')


def test_bags_are_scored_by_themselves_and_together(outputs):
    one, two, _ = outputs
    results = timeless(one / 'bags.json')
    assert [Path(each['bag']['path']).name for each in results['bags']] == ['0', '1', '2']
    assert results['bags'][2] == timeless(one / 'bag.json')
    assert results['images'] == sum(each['images'] for each in results['bags'])
    of_all, *of_each = (each['segmentation']['pixel_accuracy']
                        for each in [results, *results['bags']])
    assert min(of_each) < of_all < max(of_each)
    assert results == timeless(two / 'bags.json')


def test_pseudo_labels_are_the_same(outputs):
    one, two, _ = outputs
    for name in ('coco', 'bag'):
        found = bytes_of(one / name)
        assert json.loads(found['annotations.json'])['annotations']
        assert any(path.endswith(('.png', '.jpg')) for path in found)
        assert found == bytes_of(two / name)


def test_an_error_of_one_process_ends_all(outputs):
    *_, process = outputs
    assert process.returncode == 1
    lines = [line for line in process.stderr.splitlines() if UNREADABLE in line]
    assert len(lines) == 1 and ': error: ' in lines[0]
    assert 'RuntimeError' not in process.stderr  # of the process that waited for the other


if __name__ == '__main__':
    torch.set_num_threads(1)
    distributed.init_process_group('gloo')  # of all commands: a second one would not find it anew
    run(Path(sys.argv[1]), Path(sys.argv[1], 'two'))
