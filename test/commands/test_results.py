# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Results of commands: whole, or not there."""

from contextlib import contextmanager
import json
from pathlib import Path
import resource

import cv2
import numpy as np
import pytest

from mcn_ros.commands import (
    benchmark, check_folder, check_writable, demo, evaluate, evaluate_bag, experiments,
    export_onnx, fuzz, images_to_bag, import_centernet, import_labels, import_weights,
    pseudo_label, soak, synthesize, train, write_json)
from mcn_ros.commands.demo import write_contact_sheet

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def full_disk():
    """Let files become no larger than a few bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize('before', [None, '{}'])
def test_a_full_disk_changes_nothing(tmp_path, before):
    path = tmp_path / 'results.json'
    if before:
        path.write_text(before)
    told = r'results.json: cannot be written, .*: .*File too large'
    with pytest.raises(OSError, match=told), full_disk():
        write_json(path, {'AP': [0.5] * 100})
    assert [file.read_text() for file in tmp_path.iterdir()] == [before] * bool(before)


def test_results_are_written(tmp_path):
    path = tmp_path / 'deep' / 'results.json'
    check_writable(path)
    assert list(tmp_path.iterdir()) == []  # a run that fails leaves no empty file or folder
    write_json(path, {'AP': 0.5})
    assert json.loads(path.read_text()) == {'AP': 0.5} and len(list(path.parent.iterdir())) == 1
    with pytest.raises(ValueError):
        write_json(path, {'AP': float('nan')})
    assert json.loads(path.read_text()) == {'AP': 0.5} and len(list(path.parent.iterdir())) == 1


def test_what_cannot_be_written_is_told_at_once(tmp_path):
    (tmp_path / 'file').touch()
    (tmp_path / 'lost').symlink_to(tmp_path / 'nowhere')
    for path in (tmp_path, tmp_path / 'file' / 'results.json', tmp_path / 'lost' / 'a' / 'b.json'):
        with pytest.raises(OSError, match=str(path.parent if path != tmp_path else path)):
            check_writable(path)
    for path in (tmp_path / 'file', tmp_path / 'file' / 'deeper', tmp_path / 'lost',
                 Path('/proc/a')):
        with pytest.raises(OSError, match=f'{path}: '):
            check_folder(path)


# What is wrong shows before anything is read: none of the files that are named is there.
WRONG = {
    'evaluate --json': (evaluate, '--annotations no.json --images no --json {folder}'),
    'evaluate --report': (evaluate, '--annotations no.json --images no --report {file}'),
    'evaluate_bag --json': (evaluate_bag, '--bag no --json {folder}'),
    'evaluate_bag --report': (evaluate_bag, '--bag no --report {file}'),
    'evaluate_bag --recording': (
        evaluate_bag, '--bag no --mode replay --recording {file}/recording'),
    'export_onnx': (export_onnx, '--weights no --out {folder}'),
    'images_to_bag': (images_to_bag, '--source SYNTHETIC --frames 1 --out {file}'),
    'images_to_bag in a file': (
        images_to_bag, '--source SYNTHETIC --frames 1 --out {file}/bag'),
    'import_centernet': (import_centernet, 'no.pth {folder}'),
    'import_labels': (import_labels, 'masks no no --out {file}'),
    'import_labels in a file': (import_labels, 'masks no no --out {file}/data'),
    'import_weights': (import_weights, 'nanodet no.pth {folder}'),
    'pseudo_label': (
        pseudo_label, '--teachers no --annotations no --images no --out {file}'),
    'synthesize': (synthesize, '--count 1 --out {file}'),
    'synthesize in a file': (synthesize, '--count 1 --out {file}/data'),
    'benchmark --json': (benchmark, '--networks no --json {folder}'),
    'benchmark --log': (benchmark, '--networks no --log {file}'),
    'demo --out': (demo, '--source no --out {file}'),
    'demo --sheet': (demo, '--source no --out {folder}/out --sheet {file}/sheet.png'),
    'fuzz --json': (fuzz, '--messages 0 --json {folder}'),
    'fuzz --log': (fuzz, '--messages 0 --log {file}'),
    'soak --json': (soak, '--cameras 0 --json {folder}'),
    'soak --log': (soak, '--cameras 0 --log {file}'),
    'train': (train, '{config} run={file}'),
    'experiments --runs': (experiments, '{experiments} --jobs 1 --runs {file}'),
    'experiments --report': (experiments, '{experiments} --jobs 1 --report {folder}'),
    'experiments --report pictures': (experiments, '{experiments} --jobs 1 --report {file}.md'),
}


@pytest.mark.parametrize('name', WRONG)
def test_every_command_tells_at_once_where_it_cannot_write(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiments, 'train', lambda *_: pytest.fail('it is told too late'))
    places = {'folder': tmp_path / 'folder.d', 'file': tmp_path / 'file'}
    places['folder'].mkdir()
    places['file'].touch()
    config = ROOT / 'config' / 'train' / 'synthetic.yaml'
    experiment = tmp_path / 'experiments.yaml'
    experiment.write_text(json.dumps({'base': str(config), 'seeds': [0], 'studies': [],
                                      'networks': {'one': {'title': 'One'}}}))
    command, line = WRONG[name]
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(SystemExit) as caught:
        command.main(line.format(**places, config=config, experiments=experiment).split())
    told = capsys.readouterr().err
    assert caught.value.code == 1 and len(told.splitlines()) == 1
    assert any(str(place) in told for place in places.values()), told
    assert sorted(tmp_path.rglob('*')) == before and not list(places['folder'].iterdir())


def test_pictures_that_are_not_whole_are_told(tmp_path):
    with pytest.raises(OSError, match='there are no pictures: is the disk full'):
        write_contact_sheet(tmp_path, tmp_path / 'contact_sheet.png')
    (tmp_path / 'overlay_0.png').write_bytes(b'')
    with pytest.raises(OSError, match='contact_sheet.png: cannot be written: is the disk full'):
        write_contact_sheet(tmp_path, tmp_path / 'contact_sheet.png')
    assert not (tmp_path / 'contact_sheet.png').exists()


def test_a_contact_sheet_that_is_not_whole_is_removed(tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / 'overlay_0.png'), np.zeros((48, 64, 3), np.uint8))
    monkeypatch.setattr(cv2, 'imwrite', lambda path, *_: bool(open(path, 'w').write('x')) * 0)
    with pytest.raises(OSError, match='contact_sheet.png: cannot be written'):
        write_contact_sheet(tmp_path, tmp_path / 'contact_sheet.png')
    assert not (tmp_path / 'contact_sheet.png').exists()
