# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Decoding of images: every encoding, padding, and every kind of damage."""

from array import array

import cv2
from hypothesis import given, strategies
import numpy as np
import pytest

from mcn_ros.data.image_formats import EncodedImage, ENCODINGS, RawImage, TWO_PLANES

# A smooth picture, as colour subsampling and demosaicing are exact for no other; sides are even.
ROWS, COLUMNS = np.mgrid[0:24, 0:32].astype(np.float32)
PICTURE = np.stack([40 + 5 * COLUMNS, 60 + 4 * ROWS, 200 - 3 * COLUMNS], axis=-1).astype(np.uint8)


def mosaic(picture, pattern):
    """Return what a sensor with a Bayer filter sees; ``pattern`` as in 'rggb'."""
    channel = {'r': 0, 'g': 1, 'b': 2}
    seen = np.empty(picture.shape[:2], np.uint8)
    for place, color in enumerate(pattern):
        row, column = divmod(place, 2)
        seen[row::2, column::2] = picture[row::2, column::2, channel[color]]
    return seen


def subsample(picture, luma):
    """Return (H, W, 2) YUV 4:2:2 with the luma in the first or second byte of a pixel."""
    yuv = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV).astype(np.float32)
    packed = np.empty((*picture.shape[:2], 2), np.float32)
    # BT.601 with 16..235, which is what a camera sends; RGB2YUV has the full range.
    packed[:, :, luma] = 16 + yuv[:, :, 0] * 219 / 255
    r, g, b = (picture[:, ::2, i].astype(np.float32) for i in range(3))
    packed[:, ::2, 1 - luma] = 128 - 0.148 * r - 0.291 * g + 0.439 * b
    packed[:, 1::2, 1 - luma] = 128 + 0.439 * r - 0.368 * g - 0.071 * b
    return packed.round().clip(0, 255).astype(np.uint8)


def planes(picture, chroma):
    """Return (H * 3 / 2, W): a plane of brightness, then half as many rows of colours."""
    packed = subsample(picture, luma=0).astype(np.float32)
    colors = packed[:, :, 1].reshape(len(picture) // 2, 2, -1).mean(axis=1)
    colors = colors.reshape(len(colors), -1, 2)[:, :, ::chroma]
    return np.concatenate([packed[:, :, 0], colors.reshape(len(colors), -1)]).round().astype('u1')


GREY = cv2.cvtColor(PICTURE, cv2.COLOR_RGB2GRAY)
PATTERNS = ('rggb', 'bggr', 'gbrg', 'grbg')
OPAQUE = np.full((24, 32, 1), 255, np.uint8)
# What a camera sends of PICTURE in each encoding.
SENT = {
    'rgb8': PICTURE,
    'bgr8': PICTURE[:, :, ::-1],
    'rgba8': np.dstack([PICTURE, OPAQUE]),
    'bgra8': np.dstack([PICTURE[:, :, ::-1], OPAQUE]),
    'mono8': GREY,
    'mono16': GREY.astype('<u2') * 257,
    **{f'bayer_{p}8': mosaic(PICTURE, p) for p in PATTERNS},
    **{f'bayer_{p}16': mosaic(PICTURE, p).astype('<u2') * 257 for p in PATTERNS},
    'yuv422': subsample(PICTURE, luma=1),
    'uyvy': subsample(PICTURE, luma=1),
    'yuv422_yuy2': subsample(PICTURE, luma=0),
    'yuyv': subsample(PICTURE, luma=0),
    'nv12': planes(PICTURE, chroma=1),
    'nv21': planes(PICTURE, chroma=-1),
}


def as_raw(encoding, pixels, padding=0, container=array, bigendian=False):
    height, width = pixels.shape[:2]
    if encoding in TWO_PLANES:
        height = height * 2 // 3
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    data = rows.tobytes()
    data = {array: lambda: array('B', data), bytes: lambda: data,
            np.ndarray: lambda: np.frombuffer(data, np.uint8)}[container]()
    return RawImage(encoding, height, width, rows.shape[1], data, bigendian)


def test_every_encoding_is_tested():
    assert set(SENT) == set(ENCODINGS)


@pytest.mark.parametrize('padding', [0, 1, 13])
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_the_picture_comes_back(encoding, padding):
    rgb = as_raw(encoding, SENT[encoding], padding).to_rgb()
    assert rgb.shape == PICTURE.shape and rgb.dtype == np.uint8
    expected = np.dstack([GREY] * 3) if encoding.startswith('mono') else PICTURE
    # At the border, demosaicing has less to go by.
    difference = np.abs(rgb.astype(int) - expected)[2:-2, 2:-2]
    assert difference.max() <= (8 if encoding.startswith(('bayer', 'yu', 'uy', 'nv')) else 0)


@pytest.mark.parametrize('container', [array, bytes, np.ndarray])
def test_any_buffer_will_do(container):
    rgb = as_raw('bgr8', SENT['bgr8'], 5, container).to_rgb()
    np.testing.assert_array_equal(rgb, PICTURE)


def test_rgb_is_not_copied():
    raw = as_raw('rgb8', PICTURE, padding=4)
    assert np.shares_memory(raw.to_rgb(), np.frombuffer(raw.data, np.uint8))


@pytest.mark.parametrize('encoding', ['mono16', 'bayer_rggb16'])
def test_byte_order_of_16_bit(encoding):
    little = as_raw(encoding, SENT[encoding])
    big = as_raw(encoding, SENT[encoding].astype('>u2'), bigendian=True)
    np.testing.assert_array_equal(little.to_rgb(), big.to_rgb())


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_byte_order_does_not_matter_for_bytes(encoding):
    if not encoding.endswith('16'):
        little = as_raw(encoding, SENT[encoding])
        big = as_raw(encoding, SENT[encoding], bigendian=True)
        np.testing.assert_array_equal(little.to_rgb(), big.to_rgb())


@pytest.mark.parametrize('encoding', ['32FC1', '16UC1', 'nv24', '', 'RGB8'])
def test_unknown_encodings_are_named_with_the_known_ones(encoding):
    with pytest.raises(ValueError, match=f'{encoding!r}.*32x24.*rgb8, bgr8.*nv21'):
        RawImage(encoding, 24, 32, 96, bytes(96 * 24)).to_rgb()


@pytest.mark.parametrize('height, width, step, size, problem', [
    (24, 32, 96, 96 * 24 - 1, 'needs 2304 bytes'),
    (24, 32, 95, 95 * 24, 'needs 96 bytes per row'),
    (24, 32, 0, 96 * 24, 'needs 96 bytes per row'),
    (0, 32, 96, 0, 'has no pixels'),
    (24, 0, 0, 0, 'has no pixels'),
    (24, 32, 96, 0, 'needs 2304 bytes'),
])
def test_contradictions_are_named(height, width, step, size, problem):
    with pytest.raises(ValueError, match=problem) as error:
        RawImage('bgr8', height, width, step, bytes(size)).to_rgb()
    for fact in ('bgr8', f'{width}x{height}', f'step {step}', f'{size} bytes'):
        assert fact in str(error.value)


@given(encoding=strategies.sampled_from(TWO_PLANES), height=strategies.integers(1, 8),
       width=strategies.integers(1, 8), padding=strategies.integers(0, 5),
       container=strategies.sampled_from([array, bytes, np.ndarray]),
       seed=strategies.integers(0, 99))
def test_two_planes_are_what_opencv_makes_of_them(encoding, height, width, padding, container,
                                                  seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (3 * height, 2 * width), np.uint8)
    code = {'nv12': cv2.COLOR_YUV2RGB_NV12, 'nv21': cv2.COLOR_YUV2RGB_NV21}[encoding]
    rgb = as_raw(encoding, pixels, padding, container).to_rgb()
    np.testing.assert_array_equal(rgb, cv2.cvtColor(pixels, code))


@pytest.mark.parametrize('encoding', TWO_PLANES)
@pytest.mark.parametrize('height, width, size, problem', [
    (5, 4, 30, 'even height'), (4, 5, 30, 'even height and width'),
    (4, 4, 16, 'exactly 24 bytes'), (4, 4, 23, 'exactly 24'), (4, 4, 25, 'exactly 24'),
    (4, 4, 15, 'needs 16 bytes')])
def test_two_planes_of_another_size_are_refused(encoding, height, width, size, problem):
    """Of more data, where the second plane begins could only be guessed."""
    with pytest.raises(ValueError, match=problem):
        RawImage(encoding, height, width, width, bytes(size)).to_rgb()


def test_yuv_of_odd_width_is_rejected():
    with pytest.raises(ValueError, match='even width'):
        RawImage('yuyv', 4, 5, 10, bytes(40)).to_rgb()


@given(encoding=strategies.sampled_from(sorted(ENCODINGS)) | strategies.text(max_size=8),
       height=strategies.integers(0, 9), width=strategies.integers(0, 9),
       step=strategies.integers(0, 40), size=strategies.integers(0, 400))
def test_any_message_gives_an_image_or_a_value_error(encoding, height, width, step, size):
    try:
        rgb = RawImage(encoding, height, width, step, bytes(size)).to_rgb()
    except ValueError as error:
        assert '\n' not in str(error)
    else:
        assert rgb.shape == (height, width, 3) and rgb.dtype == np.uint8


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('grey', [False, True])
def test_files_are_decoded_to_rgb(suffix, grey):
    stored = GREY if grey else cv2.cvtColor(PICTURE, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(suffix, stored)[1].tobytes()
    rgb = EncodedImage('whatever', array('B', data)).to_rgb()
    expected = np.dstack([GREY] * 3) if grey else PICTURE
    assert np.abs(rgb.astype(int) - expected).max() <= (0 if suffix == '.png' else 12)


@pytest.mark.parametrize('target', ['', 'bayer_{pattern}{bits}'])
@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('pattern', PATTERNS)
def test_a_mosaic_in_a_file_is_demosaicked_as_the_raw_form(pattern, bits, target):
    encoding = f'bayer_{pattern}{bits}'
    sent = SENT[encoding].astype(f'u{bits // 8}')
    data = cv2.imencode('.png', sent)[1].tobytes()
    file_format = f'{encoding}; png compressed {target.format(pattern=pattern, bits=bits)}'
    np.testing.assert_array_equal(EncodedImage(file_format, data).to_rgb(),
                                  as_raw(encoding, SENT[encoding]).to_rgb())


def test_a_mosaic_is_what_the_file_has_not_what_the_camera_had():
    """JPEG has 8 bit, a colour picture is none, nor one of which the format says so."""
    sent = np.kron(SENT['bayer_rggb8'], np.ones((4, 4), np.uint8))
    jpeg = cv2.imencode('.jpg', sent, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    stored = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(
        EncodedImage('bayer_rggb16; jpeg compressed ', jpeg).to_rgb(),
        as_raw('bayer_rggb8', stored).to_rgb())
    gray = EncodedImage('bayer_rggb8; jpeg compressed mono8', jpeg).to_rgb()
    np.testing.assert_array_equal(gray, np.dstack([stored] * 3))
    color = cv2.imencode('.png', cv2.cvtColor(PICTURE, cv2.COLOR_RGB2BGR))[1].tobytes()
    for file_format in ('bayer_rggb8; png compressed ', 'bayer_rggb8; png compressed bgr8'):
        np.testing.assert_array_equal(EncodedImage(file_format, color).to_rgb(), PICTURE)


@pytest.mark.parametrize('file_format, problem', [
    ('16UC1; png compressed ', 'encoding 16UC1 is no picture'),
    ('16UC1; compressedDepth png', '16UC1 is no picture'), ('32FC1', '32FC1 is no picture'),
    ('yuv422_yuy2; png compressed ', 'a gray picture, which yuv422_yuy2 would not be'),
    ('nv12; png compressed ', 'a gray picture, which nv12'),
    ('bayer_rggb12; png compressed ', "'bayer_rggb12' is not supported"),
    ('bayer_xxxx8; png compressed ', 'not supported')])
def test_files_that_are_no_picture_are_refused(file_format, problem):
    """Depths would be black, and data of other encodings chequers or stripes."""
    image = EncodedImage(file_format, cv2.imencode('.png', GREY.astype('u2'))[1].tobytes())
    with pytest.raises(ValueError, match=problem):
        image.to_rgb()


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_broken_files_are_rejected(suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = cv2.imencode(suffix, noise)[1].tobytes()
    for broken in (b'', data[:20], data[: len(data) // 2], b'\0' * 100, data[100:]):
        with pytest.raises(ValueError, match=f"'{suffix}'.*{len(broken)} bytes"):
            EncodedImage(suffix, broken).to_rgb()


@given(encoding=strategies.sampled_from(['rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', 'mono16']),
       height=strategies.integers(1, 5), width=strategies.integers(1, 5),
       padding=strategies.integers(0, 5), surplus=strategies.integers(0, 9),
       bigendian=strategies.booleans(), seed=strategies.integers(0, 9))
def test_every_pixel_is_where_its_bytes_say(encoding, height, width, padding, surplus, bigendian,
                                            seed):
    """Compare with a reader that goes by the definition of sensor_msgs/Image, byte by byte."""
    size = {'rgba8': 4, 'bgra8': 4, 'mono8': 1, 'mono16': 2}.get(encoding, 3)
    step = width * size + padding
    values = np.random.default_rng(seed).integers(0, 256, step * height + surplus, np.uint8)
    data = values.tobytes()
    rgb = RawImage(encoding, height, width, step, data, bigendian).to_rgb()
    for row in range(height):
        for column in range(width):
            pixel = data[row * step + column * size:][:size]
            if encoding == 'mono16':
                value = int.from_bytes(pixel, 'big' if bigendian else 'little')
                assert np.abs(rgb[row, column] - value * 255 / 65535).max() <= 0.5 + 1e-6
            else:
                order = {'r': [0, 1, 2], 'b': [2, 1, 0], 'm': [0, 0, 0]}[encoding[0]]
                assert rgb[row, column].tolist() == [pixel[index] for index in order]


@pytest.mark.parametrize('limit, fits', [(24 * 32, True), (24 * 32 - 1, False)])
def test_the_limit_of_pixels(limit, fits):
    for image in (as_raw('bgr8', SENT['bgr8']),
                  EncodedImage('png', cv2.imencode('.png', PICTURE)[1].tobytes())):
        if fits:
            assert image.to_rgb(limit).shape == PICTURE.shape
        else:
            with pytest.raises(ValueError, match=f'32x24 .*more than max_pixels = {limit}'):
                image.to_rgb(limit)


@pytest.mark.parametrize('size', [(2, 9), (9, 2)])
def test_a_bayer_image_that_opencv_would_make_black_is_rejected(size):
    with pytest.raises(ValueError, match='would become black'):
        RawImage('bayer_rggb8', *size, size[1], bytes([200]) * 18).to_rgb()


@pytest.mark.parametrize('make', [
    lambda name: RawImage(name, 1, 1, 1, b'a'), lambda name: EncodedImage(name, b'a')])
def test_a_long_name_makes_no_long_error(make):
    with pytest.raises(ValueError) as error:
        make('x' * 10**6).to_rgb()
    assert len(str(error.value)) < 400
