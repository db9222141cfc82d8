# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command pseudo_label, with small teachers made by hand."""

from dataclasses import replace
import json

import cv2
import numpy as np
import pytest

from mcn_ros.commands import evaluate, pseudo_label
from mcn_ros.data.bag_writer import BagConfig, write_bag
from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.frames import Frame
from mcn_ros.data.image_formats import RawImage
from mcn_ros.model import MultiTaskNet
from mcn_ros.tasks import build_tasks
from mcn_ros.vocabulary import COCO_CLASSES
from mcn_ros.weights_file import save_model


@pytest.fixture(scope='module')
def teachers(tmp_path_factory, write_onnx):
    """Write a network that finds a sure and an unsure person, and one that finds their joints."""
    folder = tmp_path_factory.mktemp('teachers')
    output = np.zeros((64 + 16 + 4, 5 + len(COCO_CLASSES)), np.float32)
    # In the middle of a row, from the cell on the left and on the right: as in the mirror.
    output[[3, 11], 0], output[[3, 4], 1], output[[11, 12], 1] = 1, 4, 5
    output[[3, 4], 2:6] = [np.log(2), np.log(2), 1, 0.9]
    output[[11, 12], 2:6] = [0, 0, 1, 0.3]
    maps = np.zeros((17, 16, 12), np.float32)
    maps[:, 8, 6] = 0.7
    maps[0] *= 0.5
    return [str(write_onnx(folder / 'yolox.onnx', {'output': output}, (64, 64))),
            str(write_onnx(folder / 'pose.onnx', {'output': maps}, (64, 48)))]


@pytest.fixture
def bag(tmp_path):
    """Write a bag of four gray images."""
    frames = [Frame(str(i), i * 10 ** 8, RawImage('rgb8', 48, 64, 192,
                                                  np.full(48 * 192, 50 * i, np.uint8)))
              for i in range(4)]
    write_bag(tmp_path / 'bag', frames, BagConfig())
    return str(tmp_path / 'bag')


def files(folder):
    """Return the content of all files of a folder by name."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob('*')) if path.is_file()}


def run(source, teachers, out, *extra):
    pseudo_label.main(['--source', source, '--out', str(out), '--teachers', *teachers,
                       '--keep', '0.4', '--unsure', '0.1', *extra])


def test_a_bag_becomes_a_data_set(tmp_path, teachers, bag, tiny_weights, capsys):
    run(bag, teachers, tmp_path / 'out', '--every', '2', '--weights', str(tiny_weights), '--maps',
        '--backend', 'torch')
    names = list(files(tmp_path / 'out'))
    assert names[0] == 'annotations.json' and len(names) == 1 + 2 + 2
    dataset = CocoDataset(tmp_path / 'out' / 'annotations.json', tmp_path / 'out' / 'images',
                          build_tasks({'detection': {}, 'pose': {},
                                       'segmentation': {'classes': ['person']}}))
    assert len(dataset) == 2
    for index in range(2):
        known = dataset[index].annotations
        assert known.keys() == {'detection', 'pose', 'segmentation'}
        assert known['detection'].crowd.tolist() == [False, True]
        assert known['pose'].keypoint_scores.sum(axis=1).tolist() == [16, 0]
    assert '2 objects with 32 joints and 2 regions' in capsys.readouterr().out


def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path, teachers, bag, monkeypatch):
    run(bag, teachers, tmp_path / 'whole')
    label, turns = pseudo_label.Panel.objects, []

    def interrupted(self, image):
        turns.append(1)
        if len(turns) == 3:
            raise KeyboardInterrupt
        return label(self, image)

    monkeypatch.setattr(pseudo_label.Panel, 'objects', interrupted)
    with pytest.raises(SystemExit) as caught:
        run(bag, teachers, tmp_path / 'out')
    assert caught.value.code == 130 and not (tmp_path / 'out' / 'annotations.json').exists()
    with pytest.raises(SystemExit):
        run(bag, teachers, tmp_path / 'out', '--joints', '0.5')
    run(bag, teachers, tmp_path / 'out')
    assert len(turns) == 3 + 2
    assert files(tmp_path / 'out') == files(tmp_path / 'whole')


@pytest.fixture
def coco(tmp_path):
    """Write a file of one image that is labelled for people."""
    (tmp_path / 'a.json').write_text(json.dumps({
        'images': [{'id': 1, 'file_name': '1.png', 'width': 64, 'height': 48,
                    'labelled': ['detection:dog']}],
        'annotations': [], 'categories': [{'id': 1, 'name': 'dog'}]}))
    cv2.imwrite(str(tmp_path / '1.png'), np.zeros((48, 64, 3), np.uint8))
    return ['--annotations', str(tmp_path / 'a.json'), '--images', str(tmp_path)]


@pytest.mark.parametrize('extra, crowds', [([], [0, 1]), (['--keep', '0.2'], [0, 0])])
def test_a_file_gets_what_it_lacks(tmp_path, coco, teachers, capsys, extra, crowds):
    pseudo_label.main([*coco, '--teachers', teachers[0], '--out', str(tmp_path / 'out'), *extra])
    content = json.loads((tmp_path / 'out' / 'annotations.json').read_text())
    assert [entry['iscrowd'] for entry in content['annotations']] == crowds
    assert content['images'][0]['labelled'] == ['detection']
    assert len(content['categories']) == 80
    assert list(files(tmp_path / 'out')) == ['annotations.json']
    assert f'{2 - sum(crowds)} objects with 0 joints' in capsys.readouterr().out


def test_teachers_can_be_scored(tmp_path, coco, teachers, capsys):
    evaluate.main([*coco, '--teachers', *teachers])
    assert 'detection' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        evaluate.main([*coco, '--teachers', *teachers, '--flip'])


@pytest.mark.parametrize('extra, what', [
    (['--teachers', 'no.onnx'], 'no.onnx: cannot be read'),
    (['--teachers', 'ssd=no.onnx'], "'ssd' is no kind"),
    (['--weights', 'no'], 'no such file: no'),
    (['--teachers', '{yolox}', '--weights', '{boxes}', '--maps', '--backend', 'torch'],
     'maps: no head of the weights')])
def test_a_bad_teacher_is_one_line(tmp_path, coco, teachers, tiny, capsys, extra, what):
    boxes = tmp_path / 'boxes.safetensors'
    save_model(MultiTaskNet(replace(tiny, tasks={'detection': tiny.tasks['detection']})), boxes)
    extra = [text.format(yolox=teachers[0], boxes=boxes) for text in extra]
    with pytest.raises(SystemExit) as caught:
        pseudo_label.main([*coco, '--out', str(tmp_path / 'out'), *extra])
    assert caught.value.code == 1
    error = capsys.readouterr().err.strip()
    assert what in error and len(error.splitlines()) == 1
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('extra, what', [
    (['--teachers', 't', '--keep', '0.05'], '0 <= unsure <= keep <= 1'),
    (['--teachers', 't', '--unsure', '-1'], '0 <= unsure <= keep <= 1'),
    (['--teachers', 't', '--keep', '2'], '0 <= unsure <= keep <= 1'),
    (['--teachers', 't', '--every', '0'], '--every'),
    (['--teachers', 't', '--every', '2'], 'of a --source'),
    (['--teachers', 't', '--maps'], '--maps: needs --weights'), ([], 'nobody to label')])
def test_impossible_options_are_refused(coco, extra, capsys, what):
    with pytest.raises(SystemExit) as caught:
        pseudo_label.main([*coco, '--out', 'out', *extra])
    assert caught.value.code == 2
    assert what in capsys.readouterr().err
