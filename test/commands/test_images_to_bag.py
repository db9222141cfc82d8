# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command line that makes bags."""

import json

import cv2
import numpy as np
import pytest

from mcn_ros.commands.images_to_bag import main
from mcn_ros.data.frames import read_frames


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f'{index}.jpg'), np.full((24, 32, 3), 80 * index, np.uint8))
    (folder / 'coco.json').write_text(json.dumps({
        'images': [{'id': i, 'file_name': f'{i}.jpg', 'width': 32, 'height': 24}
                   for i in range(3)], 'annotations': [], 'categories': []}))
    return folder


def test_a_folder(images, tmp_path, capsys):
    main(['--source', str(images), '--out', str(tmp_path / 'bag'), '--rate', '20',
          '--topic', '/eye', '--start-stamp', '5', '--frames', '2', '--frame-id', 'left'])
    found = list(read_frames(str(tmp_path / 'bag')))
    assert [(f.stamp_ns, f.topic, f.frame_id) for f in found] == [
        (5, '/eye', 'left'), (50_000_005, '/eye', 'left')]
    assert '2 images on /eye' in capsys.readouterr().out


def test_a_data_set(images, tmp_path, capsys):
    main(['--annotations', str(images / 'coco.json'), '--images', str(images), '--storage',
          'sqlite3', '--transport', 'compressed', '--out', str(tmp_path / 'bag')])
    assert (tmp_path / 'bag' / 'bag.db3').is_file()
    content = json.loads((tmp_path / 'bag' / 'annotations.json').read_bytes())
    assert [image['stamp'] for image in content['images']] == [
        frame.stamp_ns for frame in read_frames(str(tmp_path / 'bag'))]
    assert '/camera/image_raw/compressed' in capsys.readouterr().out


@pytest.mark.parametrize('arguments, message', [
    (['--source', 'x', '--annotations', 'y'], 'not allowed'),
    (['--annotations', 'y'], 'belong together'),
    (['--source', 'SYNTHETIC'], '--frames'),
    ([], 'required'),
])
def test_arguments_that_do_not_go_together(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as info:
        main([*arguments, '--out', str(tmp_path / 'bag')])
    assert info.value.code == 2 and message in capsys.readouterr().err


def test_what_is_wrong_is_told_in_one_line(images, tmp_path, capsys):
    for extra in (['--source', str(tmp_path / 'nowhere')],
                  ['--source', str(images), '--topic', 'x']):
        with pytest.raises(SystemExit) as info:
            main([*extra, '--out', str(tmp_path / 'bag')])
        assert info.value.code == 1 and capsys.readouterr().err.count('\n') == 1
    assert not (tmp_path / 'bag').exists()


def test_a_sequence_of_people_with_ids(images, tmp_path):
    sequence = tmp_path / 'walk'
    (sequence / 'gt').mkdir(parents=True)
    images.rename(sequence / 'img1')
    for index in reversed(range(3)):
        (sequence / 'img1' / f'{index}.jpg').rename(sequence / 'img1' / f'{index + 1:06d}.jpg')
    (sequence / 'seqinfo.ini').write_text(
        '[Sequence]\nimDir=img1\nframeRate=4\nseqLength=3\nimWidth=32\nimHeight=24\nimExt=.jpg\n')
    (sequence / 'gt' / 'gt.txt').write_text('1,7,2,2,8,20,1,1\n3,7,4,2,8,20,1,1\n')
    main(['--mot', str(sequence), '--out', str(tmp_path / 'bag'), '--start-stamp', '1'])
    content = json.loads((tmp_path / 'bag' / 'annotations.json').read_bytes())
    assert [image['stamp'] for image in content['images']] == [1, 250_000_001, 500_000_001]
    assert [(entry['image_id'], entry['track_id']) for entry in content['annotations']] == [
        (1, 7), (3, 7)]
