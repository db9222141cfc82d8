# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which labels belong to which image."""

import re

import pytest

from mcn_ros.data.formats.pairs import find_pairs


@pytest.fixture
def folders(tmp_path):
    """Return a function: makes folders of empty files."""
    def make(images, labels):
        for folder, names in (('images', images), ('labels', labels)):
            (tmp_path / folder).mkdir()
            for name in names:
                (tmp_path / folder / name).touch()
        return tmp_path / 'images', tmp_path / 'labels'
    return make


def found(folders, *options):
    """Return the names of images and of their labels."""
    return [(pair.image.name, pair.labels.name) for pair in find_pairs(*folders, *options)]


def test_labels_have_the_name_of_their_image(folders):
    made = folders(['f10.jpg', 'f2.JPG', 'other.png', 'a_b.png', 'a.png', 'notes.txt'],
                   ['f10.png', 'f2_mask.PNG', 'a_b.png', 'a_L.png', 'notes.txt'])
    assert found(made) == [('a.png', 'a_L.png'), ('a_b.png', 'a_b.png'),
                           ('f2.JPG', 'f2_mask.PNG'), ('f10.jpg', 'f10.png')]
    assert found(made, 'f*') == found(made)[2:]
    assert found(made, '*_L') == found(made)[:1]


@pytest.mark.parametrize('images, labels, message', [
    (['a.png'], ['a.png', 'b.png'], 'labels/b.png: '),
    (['a.png', 'a.jpg'], ['a.png'], 'images/a.png: there is a.jpg, too'),
    (['a.png'], ['a.png', 'a_mask.png'], 'labels/a_mask.png: '),
    (['a.png'], ['a.mat'], 'labels: has no file * of .png'), ([], ['a.png'], 'labels/a.png: ')])
def test_what_does_not_match_is_named(folders, images, labels, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        find_pairs(*folders(images, labels))


def test_folders_that_are_not_there_are_named(tmp_path, folders):
    images, labels = folders([], [])
    for pair in ((images, tmp_path / 'no'), (tmp_path / 'no', labels)):
        with pytest.raises(ValueError, match='no: no such folder'):
            find_pairs(*pair)


def test_what_is_no_image_is_named(folders):
    pair, = find_pairs(*folders(['a.png'], ['a.png']))
    with pytest.raises(ValueError, match='images/a.png: is not an image'):
        pair.size
