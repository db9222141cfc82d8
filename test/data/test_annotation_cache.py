# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Annotations are read once, whoever wants them, and again when they have changed."""

from dataclasses import fields, is_dataclass
import json
import os
import pickle
from threading import Thread
import time

import numpy as np
import pytest

from mcn_ros.data import annotation_cache
from mcn_ros.data.annotation_cache import read_cached
from mcn_ros.data.coco_file import read_coco


def content(right=30):
    joints = [f'joint{number}' for number in range(3)]
    person = {'category_id': 1, 'area': 99, 'iscrowd': 0}
    return {
        'images': [{'id': 3, 'file_name': 'a.jpg', 'width': 40, 'height': 30,
                    'labelled': ['pose'], 'maps': {'parts': 'maps/a.png'}, 'scene': 'dark'},
                   {'id': 4, 'file_name': 'b.jpg', 'width': 40, 'height': 30}],
        'categories': [{'id': 1, 'name': 'person', 'keypoints': joints}, {'id': 2, 'name': 'dog'}],
        'annotations': [
            {'id': 1, 'image_id': 3, 'bbox': [1, 2, right - 1, 20], 'keypoints': [5, 6, 2] * 3,
             'segmentation': [[1, 2, right, 2, right, 20.5]], **person},
            {'id': 2, 'image_id': 3, 'bbox': [0, 0, 20, 20], 'segmentation': {
                'size': [30, 40], 'counts': [600, 600]}, **person, 'category_id': 2}]}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'annotations.json'
    path.write_text(json.dumps(content()))
    return path


@pytest.fixture
def reads(monkeypatch):
    """Return the list of all that is read."""
    done = []

    def read(source, with_masks):
        done.append(source)
        time.sleep(0.1)  # long enough for others to come
        return read_coco(source, with_masks)

    monkeypatch.setattr(annotation_cache, 'read_coco', read)
    return done


def assert_equal(one, other):
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif is_dataclass(one):
        for field in fields(one):
            assert_equal(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other):
            assert_equal(mine, theirs)
    else:
        assert one == other


@pytest.mark.parametrize('masks', [True, False])
def test_what_was_read_is_what_is_found(path, tmp_path, masks):
    expected = read_coco(path, masks)
    for _ in range(2):
        assert_equal(read_cached(path, tmp_path / 'cache', masks), expected)


def test_all_who_come_at_once_read_once(path, tmp_path, reads):
    found = []
    threads = [Thread(target=lambda: found.append(read_cached(path, tmp_path / 'cache', True)))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1 and len(found) == 4


def test_changed_annotations_are_read_again(path, tmp_path, reads):
    read_cached(path, tmp_path / 'cache', True)
    path.write_text(json.dumps(content(right=35)))
    os.utime(path, ns=(0, 1))
    found = read_cached(path, tmp_path / 'cache', True)
    assert found.records[0].boxes[0, 2] == 35 and len(reads) == 2
    read_cached(path, tmp_path / 'cache', False)  # without masks they are others
    assert len(reads) == 3


@pytest.mark.parametrize('length', [0, 5, 100, -1])
def test_a_file_that_is_not_whole_is_made_again(path, tmp_path, reads, length):
    read_cached(path, tmp_path / 'cache', True)
    file, = (tmp_path / 'cache').glob('*.records')
    whole = file.read_bytes()
    file.write_bytes(whole[:length])
    assert_equal(read_cached(path, tmp_path / 'cache', True), read_coco(path))
    assert len(reads) == 2 and file.read_bytes() == whole


def test_nothing_but_records_is_made_of_a_file(path, tmp_path, reads):
    read_cached(path, tmp_path / 'cache', True)
    file, = (tmp_path / 'cache').glob('*.records')
    objects = pickle.dumps(Trap(tmp_path / 'sprung'), protocol=5)
    header = annotation_cache.HEADER.pack(annotation_cache.KIND, len(objects), 0)
    file.write_bytes(header + objects)
    assert_equal(read_cached(path, tmp_path / 'cache', True), read_coco(path))
    assert not (tmp_path / 'sprung').exists()


class Trap:
    """Makes a folder where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_missing_file_is_the_usual_error(tmp_path):
    with pytest.raises(ValueError, match='none.json: cannot be read'):
        read_cached(tmp_path / 'none.json', tmp_path / 'cache', True)


def test_without_a_folder_annotations_are_read_all_the_same(path, tmp_path, caplog):
    (tmp_path / 'cache').write_text('no folder')
    assert_equal(read_cached(path, tmp_path / 'cache', True), read_coco(path))
    assert 'without a cache' in caplog.text
