# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Boundaries by several people: the regions of each, of lines and of the set's own files."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.io import savemat

from mcn_ros.data.maps import read_pixels

SIZE = 12, 16
TASKS = {'boundaries': {}}


@pytest.fixture
def lines():
    """Return who has drawn a line: the first a vertical, the second also a slanted one."""
    bits = np.zeros(SIZE, np.uint16)
    bits[:, 6] |= 0b11
    for row in range(SIZE[0]):
        bits[row, min(row + 1, 6)] |= 0b10
    return bits


def test_an_image_has_the_regions_of_each_annotator(image, write, imported, lines):
    data = imported('bsds', image('7.jpg', SIZE), write('labels', '7.png', lines), tasks=TASKS)
    assert [record.file_name for record in data.file.records] == ['7.jpg']
    one, two = data[0].annotations['boundaries'].annotators
    assert len(np.unique(one.labels)) == 2 and len(np.unique(two.labels)) == 3
    # Lines that only touch at corners part regions as well.
    assert len({int(two.labels[place]) for place in ((6, 0), (0, 4), (0, 9))}) == 3


def test_contours_are_where_the_lines_were(image, write, imported, lines):
    data = imported('bsds', image('7.jpg', SIZE), write('labels', '7.png', lines), tasks=TASKS)
    for bit, regions in enumerate(data[0].annotations['boundaries'].annotators):
        drawn = (lines >> bit & 1).astype(bool)
        found = regions.contours().values == 1
        assert ndimage.distance_transform_edt(~drawn)[found].max() < 1.5
        assert ndimage.distance_transform_edt(~found)[drawn].max() < 1.5


def matlab(path, *regions):
    """Write regions as BSDS500 has them."""
    annotators = np.empty((1, len(regions)), object)
    for number, each in enumerate(regions):
        annotators[0, number] = {'Segmentation': each, 'Boundaries': each > 1}
    savemat(path, {'groundTruth': annotators})


def test_regions_of_the_set_are_as_they_are(image, imported, tmp_path):
    regions = np.arange(1, 1 + SIZE[0], dtype=np.uint16)[:, None].repeat(SIZE[1], axis=1)
    (tmp_path / 'labels').mkdir()
    matlab(tmp_path / 'labels' / '7.mat', regions, regions[::-1])
    data = imported('bsds', image('7.jpg', SIZE), tmp_path / 'labels', tasks=TASKS)
    both = data[0].annotations['boundaries'].annotators
    for found, expected in zip(both, (regions, regions[::-1]), strict=True):
        assert (found.labels == expected).all()


@pytest.mark.parametrize('pixels, message', [
    (np.ones(SIZE, np.uint8), 'gray of 16 bit'),
    (np.ones((*SIZE, 3), np.uint16), 'gray of 16 bit'),
    (np.ones((4, 4), np.uint16), 'expected (12, 16)'),
    (np.zeros(SIZE, np.uint16), 'nobody has drawn'),
    (np.ones(SIZE, np.uint16), '0 regions')])
def test_what_is_wrong_is_named(image, write, refused, pixels, message):
    told = refused('bsds', image('7.jpg', SIZE), write('labels', '7.png', pixels))
    assert 'labels/7.png: ' in told and message in told


@pytest.mark.parametrize('change, message', [
    (lambda data: b'', 'groundTruth'), (lambda data: data[:len(data) // 2], '7.mat'),
    (lambda data: data.replace(b'groundTruth', b'somethingEl'), 'groundTruth'),
    (lambda data: data.replace(b'Segmentation', b'Segmentatiom'), 'groundTruth'),
    (lambda data: b'no such file at all' * 20, '7.mat')])
def test_damaged_files_of_the_set_are_named(image, refused, tmp_path, change, message):
    (tmp_path / 'labels').mkdir()
    path = tmp_path / 'labels' / '7.mat'
    matlab(path, np.ones(SIZE, np.uint16))
    path.write_bytes(change(path.read_bytes()))
    told = refused('bsds', image('7.jpg', SIZE), tmp_path / 'labels')
    assert str(path) in told and message in told


@pytest.mark.parametrize('regions, message', [
    (np.ones((3, 3), np.uint16), 'expected regions of (height, width) (12, 16)'),
    (np.ones(SIZE, np.float64), 'float64'), (np.zeros(SIZE, np.uint16), 'got 0 to 0'),
    (np.full(SIZE, 65535, np.uint16), 'got 65535 to 65535')])
def test_wrong_regions_of_the_set_are_named(image, refused, tmp_path, regions, message):
    (tmp_path / 'labels').mkdir()
    matlab(tmp_path / 'labels' / '7.mat', regions)
    told = refused('bsds', image('7.jpg', SIZE), tmp_path / 'labels')
    assert 'labels/7.mat: ' in told and message in told


def test_public_images(shared, imported):
    folder = shared('object_boundaries')
    data = imported('bsds', folder / 'images', folder / 'labels', only='124*', tasks=TASKS)
    for row, record in enumerate(data.file.records):
        stack = read_pixels(folder / 'labels' / Path(record.maps['boundaries']).name, record.size)
        for bit, regions in enumerate(data[row].annotations['boundaries'].annotators):
            drawn = (stack >> bit & 1).astype(bool)
            found = regions.contours().values == 1
            assert ndimage.distance_transform_edt(~drawn)[found].max() < 1.5
            # Lines that end within a region part nothing.
            assert (ndimage.distance_transform_edt(~found)[drawn] < 1.5).mean() > 0.9
