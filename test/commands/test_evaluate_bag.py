# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command line of the evaluation on bags, offline, on a tiny network and a few pictures."""

from dataclasses import asdict
import json

import cv2
import numpy as np
import pytest

from mcn_ros.commands.evaluate_bag import main, parse, summary
from mcn_ros.data.bag_writer import BagConfig, coco_frames, write_bag
from mcn_ros.evaluation.bag import BagSummary
from mcn_ros.evaluation.stamped import Evaluation
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.weights_file import save_model

COUNT = 5


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Write weights, and the bags 'labelled' and 'plain' of the same pictures."""
    folder = tmp_path_factory.mktemp('files')
    tasks = {'detection': {'classes': ['person', 'dog']}, 'pose': {}}
    save_model(MultiTaskNet(ModelConfig(tasks, input_size=(64, 64))), folder / 'w.safetensors')
    images = [{'id': i, 'file_name': f'{i}.png', 'width': 64, 'height': 48}
              for i in range(COUNT)]
    for index in range(COUNT):
        pixels = np.random.default_rng(index).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f'{index}.png'), pixels)
    box = {'iscrowd': 0, 'bbox': [10, 10, 20, 20], 'area': 400, 'category_id': 1}
    (folder / 'coco.json').write_text(json.dumps({
        'images': images, 'annotations': [{**box, 'id': 1 + i, 'image_id': i}
                                          for i in range(COUNT)],
        'categories': [{'id': 1, 'name': 'person'}]}))
    for name, annotations in (('labelled', folder / 'coco.json'), ('plain', None)):
        write_bag(folder / name, coco_frames(folder / 'coco.json', folder), BagConfig('/eye'),
                  annotations)
    return folder


def arguments(files, bag, *extra):
    return ['--bag', str(bag), '--weights', str(files / 'w.safetensors'), '--device', 'cpu',
            '--backend', 'torch', *map(str, extra)]


def failure(capsys, arguments):
    """Return the one line that a failing command prints."""
    with pytest.raises(SystemExit) as info:
        main(arguments)
    assert info.value.code == 1
    output, error = capsys.readouterr()
    assert output == '' and error.count('\n') == 1
    return error


def test_annotations_of_the_bag_are_found(files, tmp_path, capsys):
    main(arguments(files, files / 'labelled', '--json', tmp_path / 'new' / 'x.json'))
    output, error = capsys.readouterr()
    scores = json.loads((tmp_path / 'new' / 'x.json').read_text())
    assert scores.keys() == {'detection', 'images', 'bag'}  # the annotations have no joints
    assert scores['images'] == scores['bag']['scored'] == COUNT
    assert 'AP50' in output and f'scored {COUNT}' in output and 'warning' not in error


def test_other_annotations_can_be_named(files, capsys):
    main(arguments(files, files / 'plain', '--annotations',
                   files / 'labelled' / 'annotations.json', '--frames', 2))
    assert '2 images' in capsys.readouterr().out


def test_without_annotations_there_are_counts(files, tmp_path, capsys):
    main(arguments(files, files / 'plain', '--json', tmp_path / 'x.json', '--heads', 'pose'))
    assert 'AP50' not in capsys.readouterr().out
    results = json.loads((tmp_path / 'x.json').read_text())
    assert results.keys() == {'bag'} and results['bag']['found'].keys() == {'pose'}


def test_what_is_missing_is_a_warning(files, tmp_path, capsys):
    cut = tmp_path / 'cut'
    cut.mkdir()
    for path in (files / 'labelled').iterdir():
        data = path.read_bytes()
        (cut / path.name).write_bytes(data[:len(data) // 2] if path.suffix == '.mcap' else data)
    main(arguments(files, cut))
    warnings = capsys.readouterr().err
    assert 'warning: labelled.mcap: is cut off' in warnings
    assert 'annotated frames are not in the part of the bag that can be read' in warnings


@pytest.mark.parametrize('bag, pictures', [('labelled', 'Worst images'), ('plain', 'Frames')])
def test_a_report_of_a_run_and_an_earlier_one(files, tmp_path, capsys, bag, pictures):
    main(arguments(files, files / bag, '--report', tmp_path / 'first'))
    main(arguments(files, files / bag, '--report', tmp_path / 'second', '--against',
                   tmp_path / 'first', '--frames', 3))
    assert str(tmp_path / 'second' / 'index.html') in capsys.readouterr().out
    page = (tmp_path / 'second' / 'index.html').read_text()
    assert pictures in page and '/eye' in page and 'data:image/jpeg' in page


def test_what_is_wrong_is_told_in_one_line(files, tmp_path, capsys):
    plain = files / 'plain'
    assert 'nowhere' in failure(capsys, arguments(files, tmp_path / 'nowhere'))
    assert 'image topics: /eye' in failure(capsys, arguments(files, plain, '--topic', '/ear'))
    assert 'has no stamp' in failure(
        capsys, arguments(files, plain, '--annotations', files / 'coco.json'))
    assert 'labels nothing' in failure(
        capsys, arguments(files, files / 'labelled', '--heads', 'pose'))
    assert 'scores.json' in failure(
        capsys, arguments(files, plain, '--report', tmp_path, '--against', tmp_path))


@pytest.mark.parametrize('words, message', [
    ([], '--bag is required'),
    (['--recording', 'nowhere', '--mode', 'replay'], '--bag is required'),
    (['--bag', 'b', '--rate', '2'], '--rate is for --mode replay'),
    (['--bag', 'b', '--mode', 'replay', '--topic', '/a', '/b'], 'one topic'),
    (['--bag', 'b', '--against', 'x'], '--report'),
    (['--bag', 'b', '--frames', '-1'], 'negative'),
])
def test_arguments_that_do_not_go_together(capsys, words, message):
    with pytest.raises(SystemExit) as info:
        parse(words)
    assert info.value.code == 2 and message in capsys.readouterr().err


def test_a_rate_that_does_not_exist_is_a_dash():
    outcome = Evaluation({'bag': asdict(BagSummary('some/bag', ['/eye'], frames=1))})
    assert 'rate: of the bag (Hz) -' in summary(outcome)
