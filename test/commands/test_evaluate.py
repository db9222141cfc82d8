# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command line of the evaluation, on a tiny network and two pictures."""

import json

import cv2
import numpy as np
import pytest

from mcn_ros.centernet.scorers import FILE_SCORERS
from mcn_ros.centernet.views import CenterNetViews
from mcn_ros.commands import evaluate
from mcn_ros.commands.evaluate import main, table
from mcn_ros.evaluation.dataset import score
from mcn_ros.evaluation.report import read_report
from mcn_ros.evaluation.scorers import SCORERS
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.runtime import load_predictor
from mcn_ros.runtime.views import Views
from mcn_ros.weights_file import save_model


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Write weights, images and annotations of boxes (of a person and a dog)."""
    folder = tmp_path_factory.mktemp('files')
    tasks = {'detection': {'classes': ['person', 'dog']}, 'pose': {}}
    save_model(MultiTaskNet(ModelConfig(tasks, input_size=(64, 64))), folder / 'w.safetensors')
    (folder / 'images').mkdir()
    for index in (1, 2):
        cv2.imwrite(str(folder / 'images' / f'{index}.png'), np.zeros((48, 64, 3), np.uint8))
    box = {'image_id': 1, 'iscrowd': 0, 'bbox': [10, 10, 20, 20], 'area': 400}
    (folder / 'boxes.json').write_text(json.dumps({
        'images': [{'id': i, 'file_name': f'{i}.png', 'width': 64, 'height': 48} for i in (1, 2)],
        'annotations': [{**box, 'id': i, 'category_id': i} for i in (1, 2)],
        'categories': [{'id': 1, 'name': 'person'}, {'id': 2, 'name': 'dog'}]}))
    return folder


def arguments(folder, *extra, weights='w.safetensors'):
    return ['--weights', str(folder / weights), '--annotations', str(folder / 'boxes.json'),
            '--images', str(folder / 'images'), '--device', 'cpu', '--backend', 'torch',
            *map(str, extra)]


def failure(capsys, arguments):
    """Return the one line that a failing command prints."""
    with pytest.raises(SystemExit) as info:
        main(arguments)
    assert info.value.code == 1
    output, error = capsys.readouterr()
    assert output == '' and error.count('\n') == 1
    return error


def test_scores_are_printed_and_written(files, tmp_path, capsys):
    path = tmp_path / 'new' / 'scores.json'
    main(arguments(files, '--json', path))
    output = capsys.readouterr().out
    scores = json.loads(path.read_text())
    assert scores.keys() == {'detection', 'images'}  # the file has no joints
    assert scores['images'] == 2
    assert 0 <= scores['detection']['AP'] <= scores['detection']['AP50'] <= 1
    assert scores['detection']['per_class'].keys() == {'person', 'dog'}
    assert '2 images' in output and 'AP50' in output and 'dog' in output


def test_a_report_is_written_and_compared(files, tmp_path, capsys):
    main(arguments(files, '--report', tmp_path / 'new' / 'one', '--json', tmp_path / 'a.json'))
    assert f'report: {tmp_path}/new/one/index.html' in capsys.readouterr().out
    report = read_report(tmp_path / 'new' / 'one')
    assert report.scores == json.loads((tmp_path / 'a.json').read_text())
    assert report.facts['device'].startswith('cpu') and '64 x 64' in report.facts['input']
    source = (tmp_path / 'new' / 'one' / 'index.html').read_text()
    assert source.count('data:image/jpeg') == 2 and '1.png' in source  # nothing is in 2.png
    main(arguments(files, '--report', tmp_path / 'two', '--against', tmp_path / 'new' / 'one',
                   '--pictures', 0))
    source = (tmp_path / 'two' / 'index.html').read_text()
    assert 'other run' in source and 'data:image/jpeg' not in source


def test_a_comparison_needs_two_reports(files, tmp_path, capsys):
    assert 'scores.json' in failure(
        capsys, arguments(files, '--report', tmp_path / 'a', '--against', tmp_path / 'none'))
    assert not (tmp_path / 'a').exists()
    for wrong in (['--against', tmp_path], ['--report', tmp_path, '--pictures', -1]):
        with pytest.raises(SystemExit) as info:
            main(arguments(files, *wrong))
        assert info.value.code == 2


@pytest.mark.parametrize('extra, flips', [([], False), (['--flip'], True)])
def test_mirror_images_are_looked_at_on_demand(files, monkeypatch, extra, flips):
    built = []
    monkeypatch.setattr(evaluate, 'load_predictor', lambda *args, **settings: built.append(
        settings) or load_predictor(*args, **settings))
    main(arguments(files, *extra))
    assert [settings['flip'] for settings in built] == [flips]


def test_views_are_told_to_the_predictor(files, monkeypatch, tmp_path, capsys):
    built, tables = [], []
    monkeypatch.setattr(evaluate, 'load_predictor', lambda *args, **settings: built.append(
        settings['views']) or load_predictor(*args, **settings))
    monkeypatch.setattr(evaluate, 'score', lambda *args, **settings: tables.append(
        settings['table']) or score(*args, **settings))
    main(arguments(files))
    main(arguments(files, '--resolution', 'original', '--scales', 0.5, 1, '--flip', '--reference',
                   '--report', tmp_path))
    assert built == [Views(), CenterNetViews('original', (0.5, 1.0))]
    assert tables == [SCORERS, FILE_SCORERS]
    assert read_report(tmp_path).facts['input'] == (
        'original resolution, scales 0.5, 1, and mirrored, scored as CenterNet does')
    assert 'torch' in read_report(tmp_path).facts['device']
    capsys.readouterr()
    assert 'scales: (0.0,)' in failure(capsys, arguments(files, '--scales', 0))
    assert "'onnxruntime' runs inputs of one size only" in failure(
        capsys, arguments(files, '--resolution', 'original', '--backend', 'onnxruntime'))


def test_what_is_wrong_is_told_in_one_line(files, tmp_path, capsys):
    assert 'nothing.safetensors' in failure(
        capsys, arguments(files, weights='nothing.safetensors'))
    assert 'detection, pose' in failure(capsys, arguments(files, '--heads', 'depth'))
    assert 'labels nothing' in failure(capsys, arguments(files, '--heads', 'pose'))
    assert 'device' in failure(capsys, arguments(files, '--device', 'abacus'))
    (tmp_path / 'file').write_text('')
    assert 'file' in failure(capsys, arguments(files, '--json', tmp_path / 'file' / 'x.json'))
    assert 'file' in failure(capsys, arguments(files, '--report', tmp_path / 'file'))


def test_table_marks_what_cannot_be_scored():
    scores = {'pose': {'AP': 0.51234, 'APm': None}, 'images': 3,
              'segmentation': {'mIoU': 0.25, 'per_class': {'dog': 0.5, 'person': 0.75}}}
    lines = table(scores).splitlines()
    assert lines[0].split() == ['pose', 'AP', 'APm']
    assert lines[1].split() == ['0.512', '-']
    assert lines[-2].strip() == 'mIoU by class'
    assert lines[-1].split() == ['person', '0.750', 'dog', '0.500']
    assert '3 images' in lines


def test_people_are_judged_by_the_miss_rate(files, tmp_path, capsys):
    main(arguments(files, '--pedestrian', '--report', tmp_path / 'one', '--heads', 'detection'))
    output = capsys.readouterr().out
    assert 'MR' in output and 'to_find' in output
    scores = read_report(tmp_path / 'one').scores['detection']
    assert scores['to_find'] == 0 and scores['MR'] is None  # they are 20 pixels high
    assert 'log-average miss rate' in (tmp_path / 'one/index.html').read_text()
    boxes = json.loads((files / 'boxes.json').read_text())
    boxes['annotations'][0] |= {'full_bbox': [10, 10, 20, 50], 'vis_ratio': 0.7}
    (tmp_path / 'tall.json').write_text(json.dumps(boxes))
    main(arguments(files, '--pedestrian', 'reasonable', '--report', tmp_path / 'one',
                   '--annotations', tmp_path / 'tall.json', '--heads', 'detection'))
    report = read_report(tmp_path / 'one')
    assert report.scores['detection']['to_find'] == 1
    assert 0 < report.scores['detection']['MR'] <= 1
    assert report.details['detection']['miss_rate']['images'] == 2
    assert (tmp_path / 'one/detection_miss_rate.png').exists()


def test_the_rules_have_to_fit(files, tmp_path, capsys):
    assert 'pedestrian: no class bird to find, only person, dog' in failure(
        capsys, arguments(files, '--pedestrian', 'birds'))
    for extra in (['--pedestrian', '--reference'], ['--pedestrian', 'cars']):
        with pytest.raises(SystemExit) as info:
            main(arguments(files, *extra))
        assert info.value.code == 2


def test_boundaries_without_learning_are_scored_in_place_of_weights(files, tmp_path, capsys):
    picture = np.zeros((200, 260, 3), np.uint8)
    picture[60:140, 80:190] = 200
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'images' / '1.png'), picture)
    corners = [80, 60, 190, 60, 190, 140, 80, 140]
    (tmp_path / 'coco.json').write_text(json.dumps({
        'images': [{'id': 1, 'file_name': '1.png', 'width': 260, 'height': 200}],
        'annotations': [{'id': 1, 'image_id': 1, 'category_id': 1, 'iscrowd': 0, 'area': 8800,
                         'bbox': [80, 60, 110, 80], 'segmentation': [corners]}],
        'categories': [{'id': 1, 'name': 'dog'}]}))
    options = ['--gradient', '--annotations', str(tmp_path / 'coco.json'), '--images',
               str(tmp_path / 'images')]
    main([*options, '--json', str(tmp_path / 'scores.json')])
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert list(scores) == ['boundaries', 'images'] and scores['boundaries']['ODS'] > 0.8
    capsys.readouterr()
    for more in ('--flip',), ('--weights', str(files / 'w.safetensors')), ('--teachers', 'x.onnx'):
        with pytest.raises(SystemExit):
            main([*options, *more])
        assert 'go without --weights, --heads, --flip' in capsys.readouterr().err
