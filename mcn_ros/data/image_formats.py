# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Images as they travel in ROS messages and bags, decoded to RGB without ROS.

The node, the bag evaluation and the player share this decoder. It is NumPy and OpenCV only:
bags are to be read where there is no ROS; and of the cv_bridge versions in use, those built for
NumPy 1 fail with NumPy 2, while the one on PyPI ignores padded rows and does not know all
encodings. The tests compare the two wherever cv_bridge can do it.
"""

from dataclasses import dataclass
from pathlib import Path
import re
import sys
from typing import Any, NamedTuple

import cv2
import numpy as np

from mcn_ros.data.image_headers import image_extent, JPEG
from mcn_ros.geometry import Size

# Of an image that is decoded, beyond those of any camera of a robot: 150 MB of RGB.
MAX_PIXELS = 50_000_000
MAX_FILE = 8 * MAX_PIXELS  # bytes; an image is hardly larger than 16 bit of four channels
SHOWN = 40  # characters of a name that comes from outside


class Encoding(NamedTuple):
    """
    How a pixel is stored.

    :param channels: values per pixel; of the first plane, where there are two.
    :param dtype: type of a value.
    :param to_rgb: OpenCV conversion to RGB, None where the data is RGB.
    """

    channels: int
    dtype: str
    to_rgb: int | None


# The names are those of sensor_msgs/image_encodings.hpp. A Bayer name gives the first two pixels
# of the first two rows; OpenCV's four-letter constants do the same.
ENCODINGS = {
    'rgb8': Encoding(3, 'uint8', None),
    'bgr8': Encoding(3, 'uint8', cv2.COLOR_BGR2RGB),
    'rgba8': Encoding(4, 'uint8', cv2.COLOR_RGBA2RGB),
    'bgra8': Encoding(4, 'uint8', cv2.COLOR_BGRA2RGB),
    'mono8': Encoding(1, 'uint8', cv2.COLOR_GRAY2RGB),
    'mono16': Encoding(1, 'uint16', cv2.COLOR_GRAY2RGB),
    **{f'bayer_{pattern.lower()}{bits}': Encoding(
        1, f'uint{bits}', getattr(cv2, f'COLOR_Bayer{pattern}2RGB'))
       for bits in (8, 16) for pattern in ('RGGB', 'BGGR', 'GBRG', 'GRBG')},
    'yuv422': Encoding(2, 'uint8', cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': Encoding(2, 'uint8', cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': Encoding(2, 'uint8', cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': Encoding(2, 'uint8', cv2.COLOR_YUV2RGB_YUY2),
    'nv12': Encoding(1, 'uint8', cv2.COLOR_YUV2RGB_NV12),
    'nv21': Encoding(1, 'uint8', cv2.COLOR_YUV2RGB_NV21),
}
# A plane of brightness is followed by one of colours, with half as many rows of the same step: one
# pair for 2 x 2 pixels.
TWO_PLANES = ('nv12', 'nv21')
# Encodings whose data, seen as a gray picture, are chequers or stripes.
_NOT_GRAY = ('bayer', 'yuv', 'uyvy', 'yuyv', *TWO_PLANES)
# What OpenCV calls decoding of less than all pixels, by how many rows and columns become one.
_REDUCED = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4,
            8: cv2.IMREAD_REDUCED_COLOR_8}
# Measurements in the encodings of OpenCV: depths and the like, which are no pictures.
_NO_PICTURE = re.compile(r'(16|32|64)[USF]C\d*$')


@dataclass(frozen=True)
class RawImage:
    """
    An image in the fields of sensor_msgs/Image.

    :param encoding: a key of ENCODINGS.
    :param height: rows.
    :param width: pixels per row.
    :param step: bytes per row, padding included.
    :param data: buffer of at least step * height bytes; for one of TWO_PLANES of exactly half as
        many more, as the length is all that says where the second plane begins.
    :param is_bigendian: byte order of 16 bit values.
    """

    encoding: str
    height: int
    width: int
    step: int
    data: Any
    is_bigendian: bool = False

    def to_rgb(self, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """
        Decode.

        :param max_pixels: a larger image is refused.
        :return: (H, W, 3) uint8 RGB; shares memory with ``data`` where that is RGB already.
        :raises ValueError: for an encoding that is not supported, for fields that contradict
            each other and for an image that is too large.
        """
        if self.encoding not in ENCODINGS:
            raise ValueError(
                f'encoding {shown(self.encoding)} of a {self.width}x{self.height} image is not '
                f'supported (supported: {", ".join(ENCODINGS)})')
        encoding = ENCODINGS[self.encoding]
        if problem := too_large(self.height, self.width, max_pixels):
            self._reject(problem)
        pixels = self.pixels(encoding)
        if encoding.dtype == 'uint16':
            # The copy is in the byte order of this machine, and aligned.
            pixels = cv2.convertScaleAbs(pixels.astype(np.uint16), alpha=255 / 65535)
        if self.encoding in TWO_PLANES:
            return cv2.cvtColorTwoPlane(pixels, self._second_plane(), encoding.to_rgb)
        return pixels if encoding.to_rgb is None else cv2.cvtColor(pixels, encoding.to_rgb)

    def pixels(self, encoding: Encoding) -> np.ndarray:
        """
        Return a (H, W, C) view of the data that leaves the padding of the rows out.

        :param encoding: what the name of the encoding means.
        :raises ValueError: for fields that contradict each other.
        """
        value = np.dtype(encoding.dtype).newbyteorder('>' if self.is_bigendian else '<')
        pixel = encoding.channels * value.itemsize
        data = np.frombuffer(self.data, np.uint8)
        if self.height < 1 or self.width < 1:
            self._reject('has no pixels')
        if self.step < self.width * pixel:
            self._reject(f'needs {self.width * pixel} bytes per row')
        if data.size < self.step * self.height:
            self._reject(f'needs {self.step * self.height} bytes')
        if encoding.channels == 2 and self.width % 2:
            self._reject('needs an even width')
        if self.encoding.startswith('bayer') and min(self.height, self.width) < 3:
            self._reject('needs 3 rows and columns, fewer would become black')
        return np.ndarray((self.height, self.width, encoding.channels), value, data,
                          strides=(self.step, pixel, value.itemsize))

    def _second_plane(self) -> np.ndarray:
        """Return a (H / 2, W / 2, 2) view of the colours."""
        start = self.step * self.height
        if self.height % 2 or self.width % 2:
            self._reject('needs an even height and width')
        if len(self.data) != start * 3 // 2:
            self._reject(f'needs exactly {start * 3 // 2} bytes')
        return np.ndarray((self.height // 2, self.width // 2, 2), np.uint8,
                          np.frombuffer(self.data, np.uint8), start, (self.step, 2, 1))

    def _reject(self, problem: str) -> None:
        raise ValueError(
            f'{self.encoding} image of {self.width}x{self.height} pixels with step {self.step} '
            f'and {len(self.data)} bytes of data: {problem}')


@dataclass(frozen=True)
class EncodedImage:
    """
    An image in the fields of sensor_msgs/CompressedImage.

    :param file_format: such as 'jpeg' or 'bayer_rggb8; png compressed ': the encoding of the
        camera, and behind 'compressed' that of the picture in the file, where that is another. The
        data itself decides what kind of file it is.
    :param data: buffer with the content of an image file.
    """

    file_format: str
    data: Any

    @classmethod
    def read(cls, path: Path | str) -> 'EncodedImage':
        """
        Read an image file, without decoding it.

        :raises ValueError: naming the file, if it cannot be read or is too large for an image.
        """
        path = Path(path)
        try:
            with path.open('rb') as file:
                data = file.read(MAX_FILE + 1)
        except FileNotFoundError as error:
            raise ValueError(f'{path}: no such image') from error
        except OSError as error:
            raise ValueError(f'{path}: cannot be read ({error.strerror})') from error
        if len(data) > MAX_FILE:
            raise ValueError(f'{path}: a file of more than {MAX_FILE} bytes is too large for an '
                             'image')
        return cls(path.suffix.lower().lstrip('.'), data)

    def to_pixels(self, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """
        Decode, as it is stored: for files that hold something else than a picture.

        :param max_pixels: a larger image is refused before any of it is decoded.
        :return: (H, W) or (H, W, C) uint8 or uint16, colours in the order BGR.
        :raises ValueError: for data that is no image, is cut off or is larger.
        """
        return self._decode(cv2.IMREAD_UNCHANGED, max_pixels)

    def to_rgb(self, max_pixels: int = MAX_PIXELS, reduction: int = 1) -> np.ndarray:
        """
        Decode.

        :param max_pixels: a larger image is refused before any of it is decoded.
        :param reduction: 1, 2, 4 or 8: average blocks of so many rows and columns; the last block
            may be cut off.
        :return: (H, W, 3) uint8 RGB.
        :raises ValueError: for data that is no image, is cut off or is larger, and where the
            format says that it is no picture.
        """
        encoding, _, rest = (part.strip() for part in self.file_format.partition(';'))
        if _NO_PICTURE.match(encoding):
            self._reject(f'encoding {encoding} is no picture')
        # The picture may be the camera's data as they are, or be made of them.
        packed = rest.rpartition('compressed')[2].strip() in ('', encoding)
        if packed and encoding.startswith(_NOT_GRAY):
            pixels = self._decode(cv2.IMREAD_UNCHANGED, max_pixels)
            if pixels.ndim == 2:
                return self._demosaic(encoding, pixels)
        # EXIF does not turn the image: pixels stay where they are.
        decoded = reduction if bytes(self.data[:len(JPEG)]) == JPEG else 1
        image = self._decode(_REDUCED[decoded] | cv2.IMREAD_IGNORE_ORIENTATION, max_pixels)
        return _average(cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image), reduction // decoded)

    def size(self) -> Size:
        """Return the (height, width) that the file says it has; ValueError if it says none."""
        return image_extent(bytes(self.data)).size

    def upright_size(self) -> Size:
        """Return the (height, width) that viewers show, who turn an image as its EXIF data say."""
        return self._decode(cv2.IMREAD_GRAYSCALE, MAX_PIXELS).shape

    def _decode(self, flags: int, max_pixels: int) -> np.ndarray:
        data = np.frombuffer(self.data, np.uint8)
        try:
            size, end = image_extent(data.tobytes())
        except ValueError as error:
            self._reject(str(error))
        if problem := too_large(*size, max_pixels):
            self._reject(f'of {size[1]}x{size[0]} pixels {problem}')
        try:
            image = cv2.imdecode(data[:end], flags)
        except cv2.error as error:  # OpenCV has limits of its own
            self._reject(' '.join(str(error).split()))
        if image is None:
            self._reject('is damaged')
        return image

    def _demosaic(self, encoding: str, mosaic: np.ndarray) -> np.ndarray:
        """Demosaic a gray file, of 8 or 16 bit whatever the camera had: JPEG has 8."""
        if not encoding.startswith('bayer'):
            self._reject(f'is a gray picture, which {encoding} would not be')
        if encoding not in ENCODINGS:
            self._reject(f'encoding {shown(encoding)} is not supported')
        encoding = f'{encoding.rstrip("0123456789")}{8 * mosaic.itemsize}'
        height, width = mosaic.shape
        return RawImage(encoding, height, width, mosaic.strides[0], mosaic.reshape(-1).view('u1'),
                        sys.byteorder == 'big').to_rgb()

    def _reject(self, problem: str) -> None:
        raise ValueError(f'compressed image of format {shown(self.file_format)} '
                         f'and {len(self.data)} bytes of data: {problem}')


def _average(image: np.ndarray, reduction: int) -> np.ndarray:
    """Average blocks of pixels as decoders of JPEG do."""
    if reduction == 1:
        return image
    height, width = (-(-side // reduction) for side in image.shape[:2])
    below, beside = (reduction * new - old for new, old in zip((height, width), image.shape))
    image = cv2.copyMakeBorder(image, 0, below, 0, beside, cv2.BORDER_REPLICATE)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def shown(name: str) -> str:
    """Return a name from outside as a message may have it, however long it is."""
    return repr(name if len(name) <= SHOWN else name[:SHOWN] + '...')


def too_large(height: int, width: int, max_pixels: int) -> str:
    """Return what is wrong with the size of an image, '' if it is within the limit."""
    if height * width <= max_pixels:
        return ''
    return f'has {height * width / 1e6:.1f} million pixels, more than max_pixels = {max_pixels}'
