# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What files say about their images: as the decoder has it, for whole and for damaged files."""

import struct
import zlib

import cv2
from hypothesis import given, settings, strategies
import numpy as np
import pytest

from mcn_ros.data.image_formats import EncodedImage
from mcn_ros.data.image_headers import (
    image_extent, MAX_CHUNKS, MAX_SCANS, MAX_SEGMENTS, MAX_TEXTS)

sides = strategies.integers(1, 40)
OPTIONS = {'.png': (), '.bmp': (), '.jpg': (),
           '.jpg progressive': (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
           '.jpg restarts': (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)}


def encode(kind, height=24, width=32, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.imencode(kind.split()[0], pixels, OPTIONS[kind])[1].tobytes()


def decode(data):
    """Return the image, or None if it is refused."""
    try:
        return EncodedImage('any', data).to_rgb(10_000)
    except ValueError as error:
        assert '\n' not in str(error)
        return None


@given(kind=strategies.sampled_from(sorted(OPTIONS)), height=sides, width=sides)
def test_the_size_is_that_of_the_image(kind, height, width):
    data = encode(kind, height, width)
    assert image_extent(data) == ((height, width), len(data))
    assert decode(data).shape[:2] == (height, width)


@pytest.mark.parametrize('kind', OPTIONS)
def test_a_file_that_is_cut_off_gives_the_whole_picture_or_none(kind):
    data = encode(kind)
    whole = decode(data)
    for end in range(0, len(data), 7):
        part = decode(data[:end])
        # The last bytes of a file may be no pixels.
        assert part is None or (end > len(data) - 20 and np.array_equal(part, whole)), end


@given(kind=strategies.sampled_from(sorted(OPTIONS)),
       changes=strategies.lists(strategies.tuples(strategies.integers(0, 3000),
                                                  strategies.integers(0, 255)), max_size=6))
@settings(max_examples=300)
def test_the_decoder_sees_the_size_of_the_header(kind, changes):
    """Whatever is changed: no more is decoded than was announced."""
    data = bytearray(encode(kind))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        size = image_extent(bytes(data)).size
    except ValueError:
        return
    image = decode(bytes(data))
    assert image is None or image.shape[:2] == size


@given(signature=strategies.sampled_from([b'', b'\xff\xd8', b'\x89PNG\r\n\x1a\n', b'BM']),
       rest=strategies.binary(max_size=200))
def test_any_bytes_give_a_size_or_a_value_error(signature, rest):
    try:
        (height, width), _ = image_extent(signature + rest)
    except ValueError as error:
        assert str(error).startswith('is ')
    else:
        assert height >= 0 and width >= 0


def test_a_preview_does_not_stand_in_for_the_image():
    """Neither its size nor its end: the metadata of a photograph have an image of their own."""
    preview, photograph = encode('.jpg', 8, 8), encode('.jpg', 24, 32)
    content = b'Exif\0\0' + preview
    data = (photograph[:2] + b'\xff\xe1' + struct.pack('>H', len(content) + 2) + content
            + photograph[2:])
    assert image_extent(data) == ((24, 32), len(data))
    with pytest.raises(ValueError, match='cut off'):
        image_extent(data[:-30])


@given(kind=strategies.sampled_from(sorted(set(OPTIONS) - {'.bmp'})), data=strategies.data())
@settings(max_examples=60)
def test_what_follows_a_picture_is_not_looked_at(kind, data):
    """Phones append a video: bytes of any kind, more of them than the pixels could be."""
    picture = encode(kind)
    trailer = data.draw(strategies.sampled_from([
        b'\xff\xda' * MAX_SCANS, b'\xff\xe1\x00\x02' * MAX_SEGMENTS, bytes(2_000_000),
        encode('.jpg', 8, 8, seed=1), b'zTXt' * 99]) | strategies.binary(max_size=50))
    assert image_extent(picture + trailer) == ((24, 32), len(picture))
    np.testing.assert_array_equal(decode(picture + trailer), decode(picture))


def test_a_decoder_gets_the_picture_alone(monkeypatch):
    """Else what follows could be decoded after all, beyond every limit."""
    given_bytes, imdecode = [], cv2.imdecode
    monkeypatch.setattr(cv2, 'imdecode', lambda data, flags: (
        given_bytes.append(data.size), imdecode(data, flags))[1])
    picture = encode('.jpg')
    decode(picture + bytes(1000))
    assert given_bytes == [len(picture)]


@pytest.mark.parametrize('change, problem', [
    (lambda data: data[:-2] + b'\xff\xda\x00\x02' * MAX_SCANS + data[-2:], 'scans'),
    (lambda data: data[:2] + b'\xff\x01' * MAX_SEGMENTS + data[2:], 'segments'),
    (lambda data: data[:2] + data[data.index(b'\xff\xc0'):data.index(b'\xff\xc0') + 19]
     + data[2:], 'two frames')])
def test_a_jpeg_that_is_made_to_cost_time_is_refused(change, problem):
    with pytest.raises(ValueError, match=problem):
        image_extent(change(encode('.jpg')))


def chunk(name, content):
    return (struct.pack('>I', len(content)) + name + content
            + struct.pack('>I', zlib.crc32(name + content)))


@pytest.mark.parametrize('extra, problem', [
    (chunk(b'zTXt', b'a\0\0' + zlib.compress(bytes(9))) * (MAX_TEXTS + 1), 'compressed texts'),
    (chunk(b'tEXt', b'a\0' + bytes(3_000_000)), 'too large a file'),
    (chunk(b'IDAT', b'') * MAX_CHUNKS, 'chunks')])
def test_a_png_that_is_made_to_cost_time_is_refused(extra, problem):
    data = encode('.png', 400, 400)
    with pytest.raises(ValueError, match=problem):
        image_extent(data[:33] + extra + data[33:])
    assert image_extent(data[:33] + chunk(b'tEXt', b'a\0b') + data[33:]).size == (400, 400)


def test_a_png_must_begin_with_its_header():
    """Otherwise the decoder might look for one further on."""
    data = encode('.png')
    with pytest.raises(ValueError, match='without a header'):
        image_extent(data[:8] + chunk(b'tEXt', b'a\0b' * 5) + data[8:])


def test_other_formats_are_refused():
    with pytest.raises(ValueError, match='JPEG and PNG can'):
        image_extent(cv2.imencode('.tiff', np.zeros((4, 4, 3), np.uint8))[1].tobytes())
