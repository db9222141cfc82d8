# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tables that say what values of maps mean."""

import re

import numpy as np
import pytest

from mcn_ros.data.formats.class_table import read_table


@pytest.fixture
def table(tmp_path):
    """Return a function: reads a table of a text."""
    def read(text):
        (tmp_path / 'classes.csv').write_text(text)
        return read_table(tmp_path / 'classes.csv')
    return read


def test_values_of_one_name_are_one_class(table):
    found = table('index,name\n0,background\n\n7, car\n300,void\n2,dog\n3,car\n9,Void\n')
    assert found.classes == ('car', 'dog') and not found.colored
    assert found.labels == {0: 0, 7: 1, 300: 255, 2: 2, 3: 1, 9: 255}


def test_maps_of_indices(table, write):
    pixels = np.array([[1, 2, 300], [2, 1, 1]], np.uint16)
    folder = write('labels', 'a.png', pixels)
    found = table('name,index\nroad,2\nvoid,300\ncar,1\n').read(folder / 'a.png', (2, 3))
    assert found.dtype == np.uint8 and found.tolist() == [[2, 1, 255], [1, 2, 2]]


def test_maps_of_colours(table, write):
    pixels = np.array([[[128, 64, 0], [0, 64, 128], [9, 9, 9]]], np.uint8)
    folder = write('labels', 'a.png', pixels)
    found = table('Name, R, G, B\nred,128,64,0\nblue,0,64,128\nvoid,9,9,9\n')
    assert found.read(folder / 'a.png', (1, 3)).tolist() == [[1, 2, 255]]


def test_a_value_without_a_meaning_is_named(table, write):
    folder = write('labels', 'a.png', np.array([[1, 1], [1, 8]], np.uint8))
    with pytest.raises(ValueError, match=r'a.png: row 1, column 1 has 8, .* in .*classes.csv'):
        table('index,name\n1,car\n').read(folder / 'a.png', (2, 2))
    folder = write('labels', 'a.png', np.array([[[1, 2, 3]]], np.uint8))
    with pytest.raises(ValueError, match=r'a.png: row 0, column 0 has the colour \(1, 2, 3\)'):
        table('r,g,b,name\n3,2,1,car\n').read(folder / 'a.png', (1, 1))


def test_indices_are_no_colours(table, write):
    gray = write('labels', 'gray.png', np.ones((1, 1), np.uint8)) / 'gray.png'
    colors = write('labels', 'colors.png', np.ones((1, 1, 3), np.uint8)) / 'colors.png'
    with pytest.raises(ValueError, match='colors.png: expected gray, got colours'):
        table('index,name\n1,car\n').read(colors, (1, 1))
    with pytest.raises(ValueError, match='gray.png: expected colours'):
        table('r,g,b,name\n1,1,1,car\n').read(gray, (1, 1))


@pytest.mark.parametrize('text, message', [
    ('', 'expected a first line'), ('index;name\n1;car\n', 'expected a first line'),
    ('index,name,more\n', 'expected a first line'), ('index,name\n', 'has no class'),
    ('index,name\n0,background\n255,void\n', 'has no class'),
    ('index,name\n1\n', 'line 2: expected index,name'),
    ('index,name\n1,car\n-1,dog\n', 'line 3: expected numbers from 0 to 65535'),
    ('index,name\n65536,car\n', 'line 2: expected numbers from 0 to 65535'),
    ('name,r,g,b\ncar,1,256,0\n', 'line 2: expected numbers from 0 to 255'),
    ('index,name\n1,car\n1,dog\n', 'line 3: the value is in another line'),
    ('index,name\n1,\n', 'line 2: has no name'),
    ('index,name\n' + ''.join(f'{i},class {i}\n' for i in range(255)), 'more than 254 classes')])
def test_what_is_wrong_is_named(table, text, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        table(text)
    assert 'classes.csv: ' in str(caught.value)


def test_as_many_classes_as_labels(table):
    found = table('index,name\n' + ''.join(f'{i},class {i}\n' for i in range(254)))
    assert max(found.labels.values()) == 254


def test_a_table_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match='none.csv: cannot be read'):
        read_table(tmp_path / 'none.csv')
    (tmp_path / 'binary.csv').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(ValueError, match='binary.csv: is no table'):
        read_table(tmp_path / 'binary.csv')
