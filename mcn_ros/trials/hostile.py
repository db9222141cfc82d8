# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Image messages that are wrong, or only odd: what a node must survive; seeded, without a node.

Each kind of damage is a function of a random generator; :data:`RAW` and :data:`COMPRESSED` name
them. What is to become of a message is said with it.
"""

from array import array
from dataclasses import dataclass
from enum import Enum
import struct
from typing import Any, Callable
import zlib

import cv2
import numpy as np
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image

from mcn_ros.data.image_formats import ENCODINGS
from mcn_ros.data.image_headers import MAX_METADATA, MAX_SCANS, MAX_TEXTS, PNG

MAX_PIXELS = 1_000_000  # the limit that the messages are made for
SIZE = 48, 64  # of a picture that has no other
LONG = 10_000_000  # characters of a name


class Fate(Enum):
    """What becomes of a message."""

    ANSWERED = 'answered'  # odd, but right
    REFUSED = 'refused'  # counted as an error
    EITHER = 'either'  # random changes may do no harm
    UNSEEN = 'unseen'  # the middleware drops it, or gives what it makes of it


@dataclass(frozen=True)
class Hostile:
    """
    A message, and what is expected of a node.

    :param kind: key of RAW or COMPRESSED.
    :param message: the message; bytes are its serialised form, as other programs may send it.
    :param fate: what is to become of it.
    """

    kind: str
    message: Image | CompressedImage | bytes
    fate: Fate


def hostile(transport: str, seed: int, index: int, kind: str = '') -> Hostile:
    """
    Make a message.

    :param transport: 'raw' or 'compressed'.
    :param seed: of all messages.
    :param index: of this one; its frame_id has it, unless that is what is wrong with it.
    :param kind: of damage; '' for a random one.
    """
    kinds = KINDS[transport]
    rng = np.random.default_rng([seed, index])
    kind = kind or list(kinds)[rng.integers(len(kinds))]
    message = _picture(rng) if transport == 'raw' else _file(rng)
    message.header.frame_id = f'hostile_{index}'
    message.header.stamp.sec = 1000 + index
    make, fate = kinds[kind]
    changed = make(rng, message)
    return Hostile(kind, message if changed is None else changed, fate)


def _picture(rng: np.random.Generator) -> Image:
    height, width = SIZE
    msg = Image(height=height, width=width, encoding='bgr8', step=3 * width)
    msg.data = array('B', rng.bytes(3 * width * height))
    return msg


def _file(rng: np.random.Generator, suffix: str = '.jpg', options: tuple = ()) -> CompressedImage:
    return _compressed(_encode(rng, suffix, options), suffix[1:])


def _encode(rng: np.random.Generator, suffix: str, options: tuple = (),
            dtype: str = 'uint8') -> bytes:
    pixels = rng.integers(0, np.iinfo(dtype).max, (*SIZE, 3), dtype)
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def _compressed(data: bytes, name: str) -> CompressedImage:
    msg = CompressedImage(format=name)
    msg.data = array('B', data)
    return msg


def _fields(**values: Any) -> Callable:
    """Return a damage that sets fields."""
    def change(rng: np.random.Generator, msg: Image) -> None:
        for name, value in values.items():
            setattr(msg, name, value)
    return change


def _data(change: Callable[[np.random.Generator, bytes], bytes], suffix: str = '') -> Callable:
    """Return a damage of the data; with a suffix, of a file of that kind."""
    def damage(rng: np.random.Generator, msg: Any) -> None:
        data = change(rng, _encode(rng, suffix) if suffix else msg.data.tobytes())
        msg.data = array('B', data)
    return damage


def _image(encoding: str, height: int, width: int, pixel: int, **fields: Any) -> Callable:
    """Return a message of random values that has all the data it speaks of."""
    def change(rng: np.random.Generator, msg: Image) -> None:
        msg.encoding, msg.height, msg.width, msg.step = encoding, height, width, width * pixel
        msg.data = array('B', rng.bytes(height * width * pixel))
        _fields(**fields)(rng, msg)
    return change


def _stamp(sec: int, nanosec: int = 0) -> Callable:
    def change(rng: np.random.Generator, msg: Any) -> None:
        msg.header.stamp.sec, msg.header.stamp.nanosec = sec, nanosec
    return change


def _long_frame_id(rng: np.random.Generator, msg: Any) -> None:
    msg.header.frame_id = 'f' * LONG


def _random_fields(rng: np.random.Generator, msg: Image) -> None:
    msg.encoding = list(ENCODINGS)[rng.integers(len(ENCODINGS))]
    msg.height, msg.width, msg.step = (int(rng.integers(0, 2 ** rng.integers(1, 33)))
                                       for _ in range(3))
    msg.is_bigendian = int(rng.integers(256))
    msg.data = array('B', rng.bytes(rng.integers(100_000)))


def _nan_floats(rng: np.random.Generator, msg: Image) -> None:
    _image('32FC1', *SIZE, 4)(rng, msg)
    msg.data = array('B', np.full(SIZE, np.nan, np.float32).tobytes())


def _wire(change: Callable[[np.random.Generator, bytes], bytes]) -> Callable:
    """Return a damage of the serialised message."""
    return lambda rng, msg: change(rng, serialize_message(msg))


def cut(rng: np.random.Generator, data: bytes) -> bytes:
    """Return the beginning of the data."""
    return data[:rng.integers(len(data))]


def _cut_after_header(rng: np.random.Generator, data: bytes) -> bytes:
    return data[:rng.integers(len(data) // 2, len(data) - 20)]


def flip(rng: np.random.Generator, data: bytes) -> bytes:
    """Return the data with some other bytes."""
    values = bytearray(data)
    for place in rng.integers(0, len(values), rng.integers(1, 20)):
        values[place] ^= int(rng.integers(1, 256))
    return bytes(values)


def _claim(rng: np.random.Generator, data: bytes) -> bytes:
    """Let the length of a sequence be four gigabytes: the last one, of the data."""
    place = len(data) - 3 * SIZE[0] * SIZE[1] - 4
    return data[:place] + struct.pack('<I', 0xfffffff0) + data[place + 4:]


def noise(rng: np.random.Generator, data: bytes) -> bytes:
    """Return something else."""
    return rng.bytes(rng.integers(1, 5000))


def _jpeg_claim(rng: np.random.Generator, data: bytes) -> bytes:
    place = data.index(b'\xff\xc0') + 5
    return data[:place] + struct.pack('>HH', 65500, 65500) + data[place + 4:]


def _jpeg_scans(rng: np.random.Generator, data: bytes) -> bytes:
    scan = data.index(b'\xff\xda')
    return data[:scan] + data[scan:scan + 20] * (MAX_SCANS + 1) + data[scan:]


def _jpeg_preview(rng: np.random.Generator, data: bytes) -> bytes:
    """Put a whole picture into the metadata of one that is cut off."""
    preview = b'Exif\0\0' + data
    segment = b'\xff\xe1' + struct.pack('>H', len(preview) + 2) + preview
    return data[:2] + segment + data[2:-len(data) // 3]


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a part of a PNG file."""
    return (struct.pack('>I', len(content)) + name + content
            + struct.pack('>I', zlib.crc32(name + content)))


def png(height: int, width: int, pixels: bytes, extra: bytes = b'') -> bytes:
    """
    Return a grey PNG file.

    :param pixels: compressed rows, each after a byte of zero.
    :param extra: chunks before the pixels.
    """
    header = struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)
    return (PNG + chunk(b'IHDR', header) + extra + chunk(b'IDAT', pixels) + chunk(b'IEND', b''))


def _bomb(height: int, width: int, claimed: tuple[int, int] | None = None) -> Callable:
    """Return a small file of many zeros."""
    def change(rng: np.random.Generator, data: bytes) -> bytes:
        return png(*(claimed or (height, width)), zlib.compress(bytes(height * (width + 1)), 1))
    return change


def _texts(rng: np.random.Generator, data: bytes) -> bytes:
    text = chunk(b'zTXt', b'key\0\0' + zlib.compress(bytes(1_000_000), 1))
    return png(1, 1, zlib.compress(bytes(2)), (MAX_TEXTS + 1) * text)


def _long_pixels(rng: np.random.Generator, data: bytes) -> bytes:
    return png(1, 1, zlib.compress(bytes(2)) + rng.bytes(MAX_METADATA))


def _checksum(rng: np.random.Generator, data: bytes) -> bytes:
    place = data.index(b'IDAT') + int(rng.integers(4, 400))
    return data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1:]


_HEADERS = {
    'stamp of zero': (_stamp(0), Fate.ANSWERED),
    'stamp that goes back': (_stamp(1), Fate.ANSWERED),
    'stamp before 1970': (_stamp(-1), Fate.REFUSED),
    'too many nanoseconds': (_stamp(5, 2 ** 32 - 1), Fate.REFUSED),
    'frame_id of 10 MB': (_long_frame_id, Fate.REFUSED),
    'cut on the wire': (_wire(cut), Fate.UNSEEN),
    'changed on the wire': (_wire(flip), Fate.UNSEEN),
    'noise on the wire': (_wire(noise), Fate.UNSEEN),
}

# Kind of damage -> function of a random generator and a good message, which changes the message
# or returns another one; what is to become of the message.
RAW = {
    'step too short': (_fields(step=100), Fate.REFUSED),
    'step of zero': (_fields(step=0), Fate.REFUSED),
    'step too long': (_fields(step=2 ** 32 - 1), Fate.REFUSED),
    'short data': (_data(cut), Fate.REFUSED),
    'no data': (_fields(data=array('B')), Fate.REFUSED),
    'long data': (_data(lambda rng, data: data + rng.bytes(1000)), Fate.ANSWERED),
    'empty': (lambda rng, msg: Image(header=msg.header), Fate.REFUSED),
    '0x0': (_image('bgr8', 0, 0, 3), Fate.REFUSED),
    '1x1': (_image('bgr8', 1, 1, 3), Fate.ANSWERED),
    '1 row': (_image('mono8', 1, 5000, 1), Fate.ANSWERED),
    '1 column': (_image('mono8', 5000, 1, 1), Fate.ANSWERED),
    'claim of 20000x20000': (_fields(height=20000, width=20000, step=60000), Fate.REFUSED),
    'claim of 4294967295x4294967295': (
        _fields(height=2 ** 32 - 1, width=2 ** 32 - 1, step=2 ** 32 - 1), Fate.REFUSED),
    'more than max_pixels': (_image('mono8', 1001, 1000, 1), Fate.REFUSED),
    'unknown encoding': (_fields(encoding='plaid17'), Fate.REFUSED),
    'misspelt encoding': (_fields(encoding='BGR8 '), Fate.REFUSED),
    'encoding of 10 MB': (_fields(encoding='b' * LONG), Fate.REFUSED),
    'big-endian bytes': (_fields(is_bigendian=1), Fate.ANSWERED),
    'big-endian mono16': (_image('mono16', *SIZE, 2, is_bigendian=1), Fate.ANSWERED),
    'byte order of 255': (_image('mono16', *SIZE, 2, is_bigendian=255), Fate.ANSWERED),
    'floats that are NaN': (_nan_floats, Fate.REFUSED),
    'odd width of YUV': (_image('yuyv', 48, 63, 2), Fate.REFUSED),
    'Bayer of 2x2': (_image('bayer_rggb8', 2, 2, 1), Fate.REFUSED),
    'random fields': (_random_fields, Fate.EITHER),
    'claim on the wire': (_wire(_claim), Fate.UNSEEN),
    **_HEADERS,
}
COMPRESSED = {
    'empty': (_fields(data=array('B')), Fate.REFUSED),
    'noise': (_data(noise), Fate.REFUSED),
    'cut JPEG': (_data(_cut_after_header), Fate.REFUSED),
    'cut JPEG with a preview': (_data(_jpeg_preview), Fate.REFUSED),
    'changed JPEG': (_data(flip), Fate.EITHER),
    'JPEG that claims 65500x65500': (_data(_jpeg_claim), Fate.REFUSED),
    'JPEG of many scans': (_data(_jpeg_scans), Fate.REFUSED),
    'JPEG with text after it': (_data(lambda rng, data: data + rng.bytes(999)), Fate.ANSWERED),
    'progressive JPEG': (lambda rng, msg: _keep(msg, _encode(
        rng, '.jpg', (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))), Fate.ANSWERED),
    'PNG that is called JPEG': (_data(lambda rng, data: data, '.png'), Fate.ANSWERED),
    'PNG of 16 bit': (lambda rng, msg: _keep(msg, _encode(rng, '.png', (), 'uint16')),
                      Fate.ANSWERED),
    'cut PNG': (_data(_cut_after_header, '.png'), Fate.REFUSED),
    'changed PNG': (_data(flip, '.png'), Fate.EITHER),
    'PNG with a wrong checksum': (_data(_checksum, '.png'), Fate.REFUSED),
    'PNG that claims 20000x20000': (_data(_bomb(9, 9, (20000, 20000))), Fate.REFUSED),
    'PNG bomb of 5000x5000': (_data(_bomb(5000, 5000)), Fate.REFUSED),
    'PNG of 0x0': (_data(_bomb(0, 0)), Fate.REFUSED),
    'PNG of 1x1': (_data(_bomb(1, 1)), Fate.ANSWERED),
    'PNG of too many texts': (_data(_texts), Fate.REFUSED),
    'PNG larger than its pixels': (_data(_long_pixels), Fate.REFUSED),
    'TIFF': (_data(lambda rng, data: data, '.tiff'), Fate.REFUSED),
    'format of 10 MB': (lambda rng, msg: _compressed(b'', 'j' * LONG), Fate.REFUSED),
    **_HEADERS,
}
KINDS = {'raw': RAW, 'compressed': COMPRESSED}


def _keep(msg: CompressedImage, data: bytes) -> None:
    msg.data = array('B', data)
