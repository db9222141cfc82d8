# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command pseudo_label, with a teacher that finds one dog."""

import json

import cv2
import numpy as np
import pytest

from mcn_ros.commands import pseudo_label
from mcn_ros.structures import Instances
from mcn_ros.vocabulary import COCO_CLASSES


class Teacher:
    classes = COCO_CLASSES

    def __init__(self, path, floor):
        self.floor = floor

    def __call__(self, image):
        dog = np.array([COCO_CLASSES.index('dog')])
        return Instances(np.array([[0, 0, 20, 20]], np.float32), dog, np.array([0.35], np.float32))


@pytest.fixture
def arguments(tmp_path):
    """Write a file of one image that is labelled for people."""
    (tmp_path / 'a.json').write_text(json.dumps({
        'images': [{'id': 1, 'file_name': '1.png', 'width': 64, 'height': 48,
                    'labelled': ['detection:person']}],
        'annotations': [], 'categories': [{'id': 1, 'name': 'person'}]}))
    cv2.imwrite(str(tmp_path / '1.png'), np.zeros((48, 64, 3), np.uint8))
    return ['--teacher', str(tmp_path / 'teacher.onnx'), '--annotations', str(tmp_path / 'a.json'),
            '--images', str(tmp_path), '--out', str(tmp_path / 'new' / 'b.json')]


@pytest.mark.parametrize('extra, crowd', [([], 1), (['--keep', '0.3'], 0)])
def test_a_new_file_is_written(arguments, tmp_path, monkeypatch, capsys, extra, crowd):
    monkeypatch.setattr(pseudo_label, 'YoloxTeacher', Teacher)
    pseudo_label.main([*arguments, *extra])
    content = json.loads((tmp_path / 'new' / 'b.json').read_text())
    assert [entry['iscrowd'] for entry in content['annotations']] == [crowd]
    assert content['images'][0]['labelled'] == ['detection']
    assert len(content['categories']) == 80
    assert f'{1 - crowd} objects and {crowd} regions' in capsys.readouterr().out
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['b.json']


def test_a_bad_teacher_is_an_error_in_one_line(arguments, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        pseudo_label.main(arguments)
    assert caught.value.code == 1
    error = capsys.readouterr().err.strip()
    assert 'teacher.onnx: cannot be read' in error and len(error.splitlines()) == 1
    assert not (tmp_path / 'new').exists()


@pytest.mark.parametrize('extra', [['--keep', '0.05'], ['--unsure', '-1'], ['--keep', '2']])
def test_impossible_thresholds_are_refused(arguments, extra, capsys):
    with pytest.raises(SystemExit) as caught:
        pseudo_label.main([*arguments, *extra])
    assert caught.value.code == 2
    assert '0 <= unsure <= keep <= 1' in capsys.readouterr().err
