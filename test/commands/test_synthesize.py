# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command synthesize."""

import json

import cv2
import pytest

from mcn_ros.commands.synthesize import main, parse


def test_it_writes_a_data_set(tmp_path, capsys):
    main(['--out', str(tmp_path / 'set'), '--count', '2', '--seed', '9', '--size', '48x32'])
    file = json.loads((tmp_path / 'set' / 'annotations.json').read_text())
    assert [image['file_name'] for image in file['images']] == ['00000001.jpg', '00000002.jpg']
    assert cv2.imread(str(tmp_path / 'set' / 'images' / '00000002.jpg')).shape == (32, 48, 3)
    assert '2 scenes' in capsys.readouterr().out


def test_it_writes_simple_scenes(tmp_path):
    main(['--out', str(tmp_path), '--count', '1', '--size', '48x32', '--scenes', 'simple'])
    names = {each['name']
             for each in json.loads((tmp_path / 'annotations.json').read_text())['categories']}
    assert 'person' in names and len(names) == 6


@pytest.mark.parametrize('maps, folders', [
    ('none', set()), ('depth', {'depth'}), ('regions,normals', {'regions', 'normals'}),
    ('all', {'normals', 'parts', 'regions', 'saliency', 'foreground', 'depth'})])
def test_it_writes_the_maps_that_are_asked_for(tmp_path, maps, folders):
    main(['--out', str(tmp_path), '--count', '1', '--size', '48x32', '--maps', maps])
    assert {path.name for path in tmp_path.iterdir()} == {
        'annotations.json', 'images', *folders}


def test_it_draws_bad_weather(tmp_path):
    main(['--out', str(tmp_path), '--count', '3', '--size', '48x32', '--maps', 'none',
          '--weather', 'fog,night'])
    file = json.loads((tmp_path / 'annotations.json').read_text())
    assert [image['weather'] for image in file['images']] == ['fog', 'night', 'fog']


def test_it_writes_a_sequence(tmp_path, capsys):
    main(['--out', str(tmp_path), '--sequence', '2', '--fps', '4', '--size', '48x32', '--maps',
          'depth', '--weather', 'rain'])
    file = json.loads((tmp_path / 'annotations.json').read_text())
    first, second = file['images']
    assert second['stamp'] - first['stamp'] == 250_000_000
    assert first['weather'] == second['weather'] == 'rain'
    assert all('track_id' in annotation for annotation in file['annotations'])
    assert '2 frames' in capsys.readouterr().out


@pytest.mark.parametrize('arguments, message', [
    (['--sequence', '0'], '--sequence'), (['--sequence', '2', '--count', '2'], 'not allowed'),
    (['--count', '2', '--fps', '3'], 'only a --sequence'), ([], 'required'),
    (['--sequence', '2', '--weather', 'fog,rain'], 'a sequence has one'),
    (['--sequence', '2', '--fps', '0'], '--fps'), (['--sequence', '2', '--fps', 'nan'], '--fps')])
def test_a_sequence_is_asked_for_as_it_should_be(tmp_path, arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(['--out', str(tmp_path / 'set'), *arguments])
    assert caught.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / 'set').exists()


def test_defaults():
    args = parse(['--out', 'x', '--count', '3'])
    assert (args.count, args.seed, args.size) == (3, 0, (320, 320))
    assert (args.scenes, args.weather) == ('everyday', ('clear',))
    assert args.maps == parse(['--out', 'x', '--count', '3', '--maps', 'all']).maps
    assert parse(['--out', 'x', '--count', '3', '--size', '640x480']).size == (480, 640)


@pytest.mark.parametrize('changes', [
    ['--count', '0'], ['--seed', '-1'], ['--size', '320'], ['--size', '16x320'],
    ['--size', '64x64x3'], ['--count', 'many'], ['--scenes', 'hard'],
    ['--weather', 'hail'], ['--weather', ''], ['--weather', 'fog,fog'],
    ['--maps', 'colours'], ['--maps', ''], ['--maps', 'depth,depth'], ['--maps', 'all,depth']])
def test_impossible_arguments_are_refused(tmp_path, changes, capsys):
    with pytest.raises(SystemExit) as caught:
        main(['--out', str(tmp_path / 'set'), '--count', '1', *changes])
    assert caught.value.code == 2
    assert changes[0] in capsys.readouterr().err
    assert not (tmp_path / 'set').exists()


def test_a_foreign_folder_is_an_error_in_one_line(tmp_path, capsys):
    (tmp_path / 'precious.txt').touch()
    with pytest.raises(SystemExit) as caught:
        main(['--out', str(tmp_path), '--count', '1'])
    assert caught.value.code == 1
    error = capsys.readouterr().err.strip()
    assert 'choose another folder' in error and len(error.splitlines()) == 1
