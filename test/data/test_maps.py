# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Maps in PNG files: what they hold, and what they must not."""

import cv2
import numpy as np
import pytest

from mcn_ros.data.maps import (
    read_labels, read_planes, read_regions, read_scalars, read_vectors)

SIZE = (6, 8)


def write(folder, pixels, name='map.png'):
    path = folder / name
    assert cv2.imwrite(str(path), pixels)
    return path


def random(top, dtype, shape=SIZE):
    return np.random.default_rng(0).integers(0, top, shape).astype(dtype)


@pytest.mark.parametrize('read,pixels', [
    (lambda path: read_labels(path, SIZE, 3), random(4, np.uint8)),
    (lambda path: read_scalars(path, SIZE), np.where(random(3, np.uint8) > 1, np.uint8(255), 1)),
    (lambda path: read_regions(path, SIZE).reshape(12, 8), random(65536, np.uint16, (12, 8))),
    (lambda path: read_planes(path, SIZE, 2).reshape(12, 8), random(2, np.uint8, (12, 8)))])
def test_values_are_those_of_the_file(tmp_path, read, pixels):
    found = read(write(tmp_path, pixels))
    np.testing.assert_array_equal(found, pixels)
    assert found.dtype == pixels.dtype


def test_vectors_come_back_as_exactly_as_their_colours_allow(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(*SIZE, 3))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    colors = np.rint(127.5 * (1 + vectors)).astype(np.uint8)
    colors[2, 3] = 0
    found = read_vectors(write(tmp_path, colors[..., ::-1]), SIZE)
    assert found.dtype == np.float32 and np.isnan(found[2, 3]).all()
    known = np.isfinite(found).all(axis=2)
    assert known.sum() == 47
    angles = np.degrees(np.arccos((found * vectors).sum(axis=2)[known].clip(-1, 1)))
    assert angles.max() < 0.4
    np.testing.assert_allclose(np.linalg.norm(found[known], axis=1), 1, atol=1e-6)


@pytest.mark.parametrize('read,pixels,message', [
    (lambda path: read_labels(path, SIZE, 3), np.full(SIZE, 4, np.uint8),
     'row 0, column 0 has 4, expected 0 to 3, or 255'),
    (lambda path: read_scalars(path, SIZE), np.full(SIZE, 128, np.uint8), 'has 128, expected 0'),
    (lambda path: read_regions(path, SIZE), np.zeros(SIZE, np.uint8),
     'expected 1 channels of uint16, found 1 of uint8'),
    (lambda path: read_regions(path, SIZE), np.zeros((15, 8), np.uint16),
     r'\(15, 8\), expected \(6, 8\) or several of these'),
    (lambda path: read_scalars(path, SIZE), np.zeros((*SIZE, 3), np.uint8),
     'expected 1 channels of uint8, found 3'),
    (lambda path: read_scalars(path, SIZE), np.zeros((8, 6), np.uint8),
     r'\(height, width\) is \(8, 6\), expected \(6, 8\)'),
    (lambda path: read_planes(path, SIZE, 3), np.zeros((12, 8), np.uint8), r'expected \(18, 8\)'),
    (lambda path: read_vectors(path, SIZE), np.full((*SIZE, 3), 128, np.uint8),
     'expected the colour of a unit vector')])
def test_a_wrong_map_is_named_with_what_is_wrong(tmp_path, read, pixels, message):
    with pytest.raises(ValueError, match=f'map.png: .*{message}'):
        read(write(tmp_path, pixels))


def test_a_map_is_a_png_file_that_is_there_and_whole(tmp_path):
    with pytest.raises(ValueError, match='map.png: no such image'):
        read_scalars(tmp_path / 'map.png', SIZE)
    with pytest.raises(ValueError, match='map.jpg: .* is no PNG file'):
        read_scalars(write(tmp_path, np.zeros(SIZE, np.uint8), 'map.jpg'), SIZE)
    path = write(tmp_path, np.zeros(SIZE, np.uint8))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match='map.png: is no map that can be read'):
        read_scalars(path, SIZE)
