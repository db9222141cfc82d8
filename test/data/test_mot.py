# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sequences of the MOTChallenge: who is to be found, who is not, and what is no sequence."""

import pytest

from mcn_ros.data.coco import CocoAnnotations
from mcn_ros.data.mot import read_mot
from mcn_ros.tasks import build_tasks

INFO = """[Sequence]
name=walk
imDir=img1
frameRate=12.5
seqLength=3
imWidth=64
imHeight=48
imExt=.jpg
"""
TRUTH = """1,7,10,5,8,20,1,1,0.9
2,7,12,5,8,20,1,1,0.9
2,9,30,5,8,20,1,-1,-1,-1
2,3,40,5,8,20,0,8,1
3,4,0,0,30,30,0,3,1
"""


@pytest.fixture
def sequence(tmp_path):
    (tmp_path / 'gt').mkdir()
    (tmp_path / 'seqinfo.ini').write_text(INFO)
    (tmp_path / 'gt' / 'gt.txt').write_text(TRUTH.replace('-1,-1,-1', '-1,-1'))
    return tmp_path


def test_people_have_their_ids_and_what_is_like_people_is_a_crowd(sequence):
    content, rate = read_mot(sequence)
    assert rate == 12.5
    assert [image['file_name'] for image in content['images']] == [
        f'img1/00000{number}.jpg' for number in (1, 2, 3)]
    annotations = CocoAnnotations(content, build_tasks({'detection': {'classes': ['person']}}))
    found = [annotations[number]['detection'] for number in (1, 2, 3)]
    assert [objects.ids.tolist() for objects in found] == [['7'], ['7', '9', ''], []]
    assert found[1].crowd.tolist() == [False, False, True]
    assert found[0].boxes.tolist() == [[10, 5, 18, 25]]


@pytest.mark.parametrize('name, text, message', [
    ('seqinfo.ini', None, 'cannot be read'),
    ('seqinfo.ini', 'no section', 'no section Sequence'),
    ('seqinfo.ini', INFO.replace('seqLength=3', 'seqLength=many'), 'not of a sequence'),
    ('seqinfo.ini', INFO.replace('imDir', 'folder'), 'imDir'),
    ('gt/gt.txt', None, 'cannot be read'),
    ('gt/gt.txt', '1,7,10\n', 'lines of 8 numbers'),
    ('gt/gt.txt', TRUTH + '4,7,10,5,8,20,1,1,1\n', 'frame 4 is not one of 1 to 3')])
def test_what_is_wrong_is_named(sequence, name, text, message):
    path = sequence / name
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=message) as info:
        read_mot(sequence)
    assert str(path) in str(info.value)
