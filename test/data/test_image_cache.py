# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Cached pixels are those of the image as it is now, or they are decoded again."""

import os

import numpy as np
import pytest

from mcn_ros.data.image_cache import HEADER, ImageCache

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'one.jpg'
    path.write_bytes(b'one')
    return path


class Decoder:
    """Counts how often pixels are asked for."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1
        return PIXELS + np.uint8(self.count - 1)


def files_of(cache):
    return sorted(path for path in cache.folder.rglob('*') if path.is_file())


def test_an_image_is_decoded_once_for_all(image, tmp_path):
    decode = Decoder()
    for _ in range(3):  # of which each might be another process
        cache = ImageCache(tmp_path / 'cache')
        found = cache.read(image, 1, decode)
        np.testing.assert_array_equal(found, PIXELS)
    assert decode.count == 1 and len(files_of(cache)) == 1


def test_other_images_times_sizes_and_reductions_are_others(image, tmp_path):
    decode, cache = Decoder(), ImageCache(tmp_path / 'cache')
    other = image.with_name('two.jpg')
    other.write_bytes(b'one')
    os.utime(other, ns=(0, os.stat(image).st_mtime_ns))
    cache.read(image, 1, decode)
    cache.read(image, 2, decode)
    cache.read(other, 1, decode)
    os.utime(image, ns=(0, 1))
    np.testing.assert_array_equal(cache.read(image, 1, decode), PIXELS + np.uint8(3))
    image.write_bytes(b'longer')
    os.utime(image, ns=(0, 1))
    cache.read(image, 1, decode)
    assert decode.count == 5


@pytest.mark.parametrize('length', [0, 3, HEADER.size, -1])
def test_what_is_not_whole_is_decoded_again(image, tmp_path, length):
    decode, cache = Decoder(), ImageCache(tmp_path / 'cache')
    cache.read(image, 1, decode)
    file, = files_of(cache)
    whole = file.read_bytes()
    file.write_bytes(whole[:length])
    np.testing.assert_array_equal(cache.read(image, 1, decode), PIXELS + np.uint8(1))
    assert file.stat().st_size == len(whole)


def test_a_full_disk_ends_the_filling_but_not_the_reading(image, tmp_path, monkeypatch, caplog):
    decode, cache = Decoder(), ImageCache(tmp_path / 'cache')

    def fail(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'replace', fail)
    for number in range(2):
        np.testing.assert_array_equal(cache.read(image, 1, decode), PIXELS + np.uint8(number))
    assert not files_of(cache) and len(caplog.records) == 1
    assert 'No space left' in caplog.text


def test_a_missing_image_is_reported_by_who_decodes_it(tmp_path):
    def decode():
        raise ValueError('no such image')

    with pytest.raises(ValueError, match='no such image'):
        ImageCache(tmp_path / 'cache').read(tmp_path / 'none.jpg', 1, decode)


def test_a_cache_has_to_be_a_folder(image):
    with pytest.raises(ValueError, match='one.jpg: cannot be written to'):
        ImageCache(image)
