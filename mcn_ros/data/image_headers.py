# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What an image file says about itself, read before any pixel is decoded.

A file of some kilobytes can stand for gigabytes of pixels, or for hours of decoding. The sizes
come from the JPEG (ITU-T T.81), PNG (ISO/IEC 15948) and BMP headers; JPEG markers are looked for
in the way of libjpeg, so that both see the same header.
"""

import re
import struct

from mcn_ros.geometry import Size

MAX_SCANS = 30  # of a JPEG image; progressive ones have about ten, each costs a pass
MAX_SEGMENTS = 5000  # of a JPEG image before its pixels; ordinary ones have about ten
MAX_TEXTS = 16  # compressed texts and profiles of a PNG image, each of up to 8 MB
MAX_METADATA = 1_000_000  # bytes of a PNG image beyond those of its pixels, uncompressed

JPEG, PNG, BMP = b'\xff\xd8', b'\x89PNG\r\n\x1a\n', b'BM'
_MARKER = re.compile(rb'\xff([^\x00\xff])')
_EOI, _SOS = 0xd9, 0xda
_FRAMES = set(range(0xc0, 0xd0)) - {0xc4, 0xc8, 0xcc}
_BARE = {0x01, *range(0xd0, 0xd9)}  # without a length: TEM, RST0 to RST7, SOI
_LARGEST_PNG_PIXEL = 8  # bytes: four channels of 16 bit


def image_size(data: bytes) -> Size:
    """
    Return the size of the image in a file.

    :param data: content of a JPEG, PNG or BMP file.
    :return: (height, width), as the header has it.
    :raises ValueError: for a file of another kind, without a header or with an end that is
        missing, and for one that is made to cost more than its pixels; the message is a
        predicate, such as 'is cut off'.
    """
    for signature, read in ((JPEG, _jpeg_size), (PNG, _png_size), (BMP, _bmp_size)):
        if data.startswith(signature):
            try:
                return read(data)
            except (struct.error, IndexError):
                break
    else:
        raise ValueError('is no image that can be decoded (JPEG and PNG can)')
    raise ValueError('is an image that is cut off')


def _jpeg_size(data: bytes) -> Size:
    size, position = None, len(JPEG)
    for _ in range(MAX_SEGMENTS):
        marker, position = _next_marker(data, position)
        if marker in _BARE:
            continue
        if marker in (_SOS, _EOI):
            break
        if marker in _FRAMES:
            if size is not None:
                raise ValueError('is a JPEG image with two frames')
            size = struct.unpack_from('>HH', data, position + 3)
        position += struct.unpack_from('>H', data, position)[0]
    else:
        raise ValueError(f'is a JPEG image of more than {MAX_SEGMENTS} segments')
    # OpenCV would fill what is missing with grey. A preview in the metadata has an end of its own.
    if size is None or data.find(bytes([0xff, _EOI]), position) < 0:
        raise ValueError('is a JPEG image that is cut off')
    if data.count(bytes([0xff, _SOS]), position) >= MAX_SCANS:
        raise ValueError(f'is a JPEG image of more than {MAX_SCANS} scans')
    return size


def _next_marker(data: bytes, position: int) -> tuple[int, int]:
    """Return the next marker, and where the bytes after it begin."""
    found = _MARKER.search(data, position)
    if found is None:
        raise IndexError('no marker')
    return found[1][0], found.end()


def _png_size(data: bytes) -> Size:
    length, name, width, height = struct.unpack_from('>I4sII', data, len(PNG))
    if (length, name) != (13, b'IHDR'):
        raise ValueError('is a PNG image without a header')
    if len(data) > width * height * _LARGEST_PNG_PIXEL + MAX_METADATA:
        raise ValueError(f'is a PNG image of {width}x{height} pixels: too large a file for these')
    if sum(data.count(chunk) for chunk in (b'zTXt', b'iTXt', b'iCCP')) > MAX_TEXTS:
        raise ValueError(f'is a PNG image with more than {MAX_TEXTS} compressed texts')
    return height, width


def _bmp_size(data: bytes) -> Size:
    core_header = struct.unpack_from('<I', data, 14)[0] == 12
    width, height = struct.unpack_from('<HH' if core_header else '<ii', data, 18)
    return abs(height), abs(width)  # rows from the top have a negative height
