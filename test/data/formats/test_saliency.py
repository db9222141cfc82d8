# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Masks of what stands out."""

import numpy as np
import pytest

from mcn_ros.data.maps import read_pixels

SIZE = 4, 6
TASKS = {'saliency': {}}


@pytest.mark.parametrize('channels', [(), (3,)])
def test_what_is_white_stands_out(image, write, imported, channels):
    mask = np.zeros((*SIZE, *channels), np.uint8)
    mask[1:3, 2:5], mask[0, 0], mask[0, 1] = 255, 127, 128
    data = imported('saliency', image('a.png', SIZE), write('masks', 'a.png', mask), tasks=TASKS)
    expected = np.zeros(SIZE, np.uint8)
    expected[1:3, 2:5] = expected[0, 1] = 1
    assert (data[0].annotations['saliency'].values == expected).all()


def test_nothing_may_stand_out(image, write, imported):
    data = imported('saliency', image('a.png', SIZE),
                    write('masks', 'a.png', np.zeros(SIZE, np.uint8)),
                    tasks={**TASKS, 'detection': {}, 'boundaries': {}})
    annotations = data[0].annotations
    assert list(annotations) == ['saliency'] and not annotations['saliency'].values.any()


@pytest.mark.parametrize('pixels, message', [
    (np.ones(SIZE, np.uint8), 'the largest value is 1'),
    (np.full(SIZE, 255, np.uint16), 'gray of 8 bit'),
    (np.dstack([np.full(SIZE, 255, np.uint8)] * 2 + [np.zeros(SIZE, np.uint8)]), 'gray of 8 bit'),
    (np.zeros((6, 4), np.uint8), 'expected (4, 6)')])
def test_what_is_wrong_is_named(image, write, refused, pixels, message):
    told = refused('saliency', image('a.png', SIZE), write('masks', 'a.png', pixels))
    assert 'masks/a.png: ' in told and message in told


def test_public_images(shared, imported):
    folder = shared('saliency')
    data = imported('saliency', folder / 'images', folder / 'labels', only='00*', tasks=TASKS)
    for row, record in enumerate(data.file.records):
        mask = read_pixels(folder / 'labels' / f'{record.file_name[:-4]}.png', record.size)
        assert (data[row].annotations['saliency'].values == mask // 255).all()
