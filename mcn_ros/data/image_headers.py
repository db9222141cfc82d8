# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What an image file says about itself, read before any pixel is decoded.

A file of some kilobytes can stand for gigabytes of pixels, or for hours of decoding. The sizes
come from the JPEG (ITU-T T.81), PNG (ISO/IEC 15948) and BMP headers; JPEG markers are looked for
in the way of libjpeg, so that both see the same header.

A picture may be followed by something else: phones append a video. No limit is about that, and a
decoder that is given the picture alone cannot be led into it.
"""

import re
import struct
from typing import NamedTuple

from mcn_ros.geometry import Size

MAX_SCANS = 30  # of a JPEG image; progressive ones have about ten, each costs a pass
MAX_SEGMENTS = 5000  # of a JPEG image; ordinary ones have about ten, and some for each scan
MAX_CHUNKS = 100_000  # of a PNG image; libpng writes one for every 8 kB
MAX_TEXTS = 16  # compressed texts and profiles of a PNG image, each of up to 8 MB
MAX_METADATA = 1_000_000  # bytes of a PNG image beyond those of its pixels, uncompressed

JPEG, PNG, BMP = b'\xff\xd8', b'\x89PNG\r\n\x1a\n', b'BM'
# Between segments, and in the pixels, where FF 00 is a value and RST0 to RST7 are part of a scan.
_MARKER = re.compile(rb'\xff([^\x00\xff])')
_END_OF_SCAN = re.compile(rb'\xff([^\x00\xff\xd0-\xd7])')
_EOI, _SOS = 0xd9, 0xda
_FRAMES = set(range(0xc0, 0xd0)) - {0xc4, 0xc8, 0xcc}
_BARE = {0x01, *range(0xd0, 0xd9)}  # without a length: TEM, RST0 to RST7, SOI
_COMPRESSED_TEXTS = (b'zTXt', b'iTXt', b'iCCP')
_LARGEST_PNG_PIXEL = 8  # bytes: four channels of 16 bit


class Extent(NamedTuple):
    """
    How large an image is.

    :param size: (height, width), as the header has it.
    :param end: bytes of the file that are the image; what follows is none of it.
    """

    size: Size
    end: int


def image_extent(data: bytes) -> Extent:
    """
    Return how large the image in a file is, in pixels and in bytes.

    :param data: content of a JPEG, PNG or BMP file.
    :raises ValueError: for a file of another kind, without a header or with an end that is
        missing, and for one that is made to cost more than its pixels; the message is a
        predicate, such as 'is cut off'.
    """
    for signature, read in ((JPEG, _jpeg_extent), (PNG, _png_extent), (BMP, _bmp_extent)):
        if data.startswith(signature):
            try:
                return read(data)
            except (struct.error, IndexError):
                break
    else:
        raise ValueError('is no image that can be decoded (JPEG and PNG can)')
    raise ValueError('is an image that is cut off')


def _jpeg_extent(data: bytes) -> Extent:
    size, pixels, position, pattern = None, None, len(JPEG), _MARKER
    for _ in range(MAX_SEGMENTS):
        marker, position = _next_marker(data, position, pattern)
        if marker == _EOI:
            break
        if marker in _BARE:
            continue
        pattern = _MARKER
        if marker in _FRAMES:
            if size is not None:
                raise ValueError('is a JPEG image with two frames')
            size = struct.unpack_from('>HH', data, position + 3)
        elif marker == _SOS:
            pixels, pattern = pixels or position, _END_OF_SCAN
        position += struct.unpack_from('>H', data, position)[0]
    else:
        raise ValueError(f'is a JPEG image of more than {MAX_SEGMENTS} segments')
    if size is None or pixels is None:
        raise ValueError('is a JPEG image without pixels')
    if data.count(bytes([0xff, _SOS]), pixels, position) >= MAX_SCANS:
        raise ValueError(f'is a JPEG image of more than {MAX_SCANS} scans')
    return Extent(size, position)


def _next_marker(data: bytes, position: int, pattern: re.Pattern) -> tuple[int, int]:
    """Return the next marker, and where the bytes after it begin."""
    match = pattern.search(data, position)
    if match is None:
        raise IndexError('no marker')
    return match[1][0], match.end()


def _png_extent(data: bytes) -> Extent:
    length, name, width, height = struct.unpack_from('>I4sII', data, len(PNG))
    if (length, name) != (13, b'IHDR'):
        raise ValueError('is a PNG image without a header')
    position, texts = len(PNG), 0
    for _ in range(MAX_CHUNKS):
        length, name = struct.unpack_from('>I4s', data, position)
        position += length + 12  # with the length itself, the name and a checksum
        texts += name in _COMPRESSED_TEXTS
        if position > width * height * _LARGEST_PNG_PIXEL + MAX_METADATA:
            raise ValueError(f'is a PNG image of {width}x{height} pixels: too large a file for '
                             'these')
        if texts > MAX_TEXTS:
            raise ValueError(f'is a PNG image with more than {MAX_TEXTS} compressed texts')
        if name == b'IEND':
            return Extent((height, width), position)
    raise ValueError(f'is a PNG image of more than {MAX_CHUNKS} chunks')


def _bmp_extent(data: bytes) -> Extent:
    core_header = struct.unpack_from('<I', data, 14)[0] == 12
    width, height = struct.unpack_from('<HH' if core_header else '<ii', data, 18)
    # Rows from the top have a negative height.
    return Extent((abs(height), abs(width)), len(data))
