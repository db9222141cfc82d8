# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Labels in public formats at the command line."""

import json

import cv2
import numpy as np
import pytest

from mcn_ros.commands.import_labels import main
from mcn_ros.data.formats import FORMATS


@pytest.fixture
def folders(tmp_path):
    """Write an image and its mask, and another mask that is damaged."""
    for folder in ('images', 'masks'):
        (tmp_path / folder).mkdir()
        for name in ('a.png', 'b.png'):
            cv2.imwrite(str(tmp_path / folder / name), np.full((8, 9), 255, np.uint8))
    damaged = tmp_path / 'masks' / 'b.png'
    damaged.write_bytes(damaged.read_bytes()[:40])
    return [str(tmp_path / 'images'), str(tmp_path / 'masks')]


def test_a_file_is_made_of_the_labels_that_are_chosen(folders, tmp_path, capsys):
    main(['saliency', *folders, '--only', 'a', '--out', str(tmp_path / 'deep' / 'out')])
    path = tmp_path / 'deep' / 'out' / 'annotations.json'
    assert capsys.readouterr().out == f'{path}: 1 images, which are in {folders[0]}\n'
    assert [image['file_name'] for image in json.loads(path.read_text())['images']] == ['a.png']


@pytest.mark.parametrize('kind', ['saliency', 'bsds', 'masks'])
def test_a_damaged_file_is_named_and_nothing_is_left(folders, tmp_path, capsys, kind):
    with pytest.raises(SystemExit) as caught:
        main([kind, *folders, '--only', 'b', '--out', str(tmp_path / 'out')])
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert caught.value.code == 1 and 'masks/b.png' in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ['images', 'masks']


def test_a_folder_that_is_there_is_not_touched(folders, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(['saliency', *folders, '--out', folders[0]])
    assert f'{folders[0]}: exists already' in capsys.readouterr().err


@pytest.mark.parametrize('kind', FORMATS)
def test_every_format_tells_what_it_needs(kind, capsys):
    with pytest.raises(SystemExit) as caught:
        main([kind, '--help'])
    told = capsys.readouterr().out
    assert caught.value.code == 0
    for word in (*FORMATS[kind].sources, *(f'--{name}' for name in FORMATS[kind].options)):
        assert word in told


def test_tasks_of_maps_can_be_others(folders, tmp_path):
    table = tmp_path / 'classes.csv'
    table.write_text('index,name\n255,head\n')
    main(['index', *folders, str(table), '--only', 'a', '--tasks', 'parts', '--out',
          str(tmp_path / 'out')])
    content = json.loads((tmp_path / 'out' / 'annotations.json').read_text())
    assert content['images'][0]['maps'] == {'parts': 'parts/a.png'}
    assert content['map_classes'] == {'parts': ['head']}
