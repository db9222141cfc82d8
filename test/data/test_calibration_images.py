# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Samples: spread evenly, read late, told from each other by the files that they are of."""

import os

import cv2
import numpy as np
import pytest

from mcn_ros.data.calibration_images import _thin, CalibrationImages
from mcn_ros.data.frames import read_frames, SYNTHETIC


@pytest.fixture
def folder(tmp_path):
    for index in range(10):
        cv2.imwrite(str(tmp_path / f'{index}.png'), np.full((4, 6, 3), 10 * index, np.uint8))
    (tmp_path / 'notes.txt').write_text('no image')
    return tmp_path


def test_images_are_spread_over_a_folder(folder):
    images = list(CalibrationImages(str(folder), 5))
    assert [int(image[0, 0, 0]) for image in images] == [0, 20, 40, 60, 80]
    assert len(list(CalibrationImages(str(folder)))) == 10
    assert images[0].shape == (4, 6, 3) and images[0].dtype == np.uint8


@pytest.mark.parametrize('length, kept', [
    (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (5, [0, 2, 4]), (12, [0, 4, 8]), (16, [0, 4, 8, 12])])
def test_a_stream_is_thinned_at_even_distances(length, kept):
    frames = zip(range(length), read_frames(SYNTHETIC, size=(32, 32)))
    assert [frame.name for frame in _thin((frame for _, frame in frames), 4)] \
        == [f'{index:06d}' for index in kept]


def test_one_image_is_a_source(folder):
    assert len(list(CalibrationImages(str(folder / '3.png')))) == 1


def test_the_digest_tells_files_from_each_other(folder):
    first = CalibrationImages(str(folder)).digest
    assert first == CalibrationImages(str(folder)).digest
    assert first != CalibrationImages(str(folder), 5).digest
    os.utime(folder / '4.png', (1, 1))
    second = CalibrationImages(str(folder)).digest
    (folder / '4.png').rename(folder / '5.png')
    assert len({first, second, CalibrationImages(str(folder)).digest}) == 3


def test_errors_name_the_source(folder, tmp_path):
    with pytest.raises(ValueError, match="^calibration: '/nowhere' does not exist"):
        CalibrationImages('/nowhere')
    (folder / '4.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match=f'^{folder}: 4: '):
        list(CalibrationImages(str(folder)))
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='a folder without images'):
        list(CalibrationImages(str(tmp_path / 'empty')))
