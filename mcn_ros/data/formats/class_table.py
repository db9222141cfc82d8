# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What the values of maps of classes mean, as a CSV file says.

The first line is ``name,index`` or ``name,r,g,b``, in any order; the others are values and the
class of each. Values of the same name are one class. The names background and void are no classes:
the pixels are of none, or nothing is known of them.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

import numpy as np

from mcn_ros.data.maps import read_pixels
from mcn_ros.geometry import Size
from mcn_ros.structures import IGNORE

BACKGROUND, VOID = 'background', 'void'
COLUMNS = ('index',), ('r', 'g', 'b')
LARGEST = {1: 65535, 3: 255}  # value, by the number of the columns
BYTE = 8  # bits


@dataclass(frozen=True)
class ClassTable:
    """
    What values mean.

    :param path: the CSV file.
    :param classes: names of the classes.
    :param labels: value -> label: 0 background, c + 1 class c, 255 unknown; of a colour, the value
        is red * 65536 + green * 256 + blue.
    :param colored: whether values are colours.
    """

    path: Path
    classes: tuple[str, ...]
    labels: Mapping[int, int]
    colored: bool

    def read(self, path: Path, size: Size) -> np.ndarray:
        """
        Read the labels of a map, (H, W) uint8.

        :param path: a PNG file: gray for indices, of 8 or 16 bit, else of colours.
        :param size: (height, width) of its image.
        :raises ValueError: naming the file, and a value that has no meaning.
        """
        values, inverse = np.unique(self._values(path, size), return_inverse=True)
        inverse = inverse.reshape(size)
        for place, value in enumerate(values.tolist()):
            if value not in self.labels:
                row, column = np.argwhere(inverse == place)[0]
                raise ValueError(f'{path}: row {row}, column {column} has '
                                 f'{self._shown(value)}, which is not in {self.path}')
        return np.array([self.labels[value] for value in values.tolist()], np.uint8)[inverse]

    def _values(self, path: Path, size: Size) -> np.ndarray:
        pixels = read_pixels(path, size)
        if self.colored:
            if pixels.ndim != 3 or pixels.dtype != np.uint8:
                raise ValueError(f'{path}: expected colours of 8 bit, as {self.path} has them')
            blue, green, red = np.moveaxis(pixels[..., :3].astype(np.int32), 2, 0)
            return (red << 2 * BYTE) + (green << BYTE) + blue
        if pixels.ndim != 2:
            raise ValueError(f'{path}: expected gray, got colours; {self.path} has indices, not '
                             'the columns r, g and b')
        return pixels

    def _shown(self, value: int) -> str:
        return f'the colour {tuple(value.to_bytes(3, "big"))}' if self.colored else str(value)


def read_table(path: Path) -> ClassTable:
    """
    Read a table.

    :raises ValueError: naming the file, and the line at fault.
    """
    try:
        lines = list(csv.reader(path.read_text().splitlines(), skipinitialspace=True))
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror})') from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f'{path}: is no table ({error})') from error
    header = [name.strip().lower() for name in lines[0]] if lines else []
    columns = next((columns for columns in COLUMNS
                    if sorted(('name', *columns)) == sorted(header)), None)
    if columns is None:
        raise ValueError(f'{path}: expected a first line name,index or name,r,g,b, got {header}')
    known = {BACKGROUND: 0, VOID: IGNORE}
    labels: dict[int, int] = {}
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        where = f'{path}: line {number}'
        if len(line) != len(header):
            raise ValueError(f'{where}: expected {",".join(header)}, got {line}')
        row = dict(zip(header, line))
        value = _value([row[column] for column in columns], where)
        if value in labels:
            raise ValueError(f'{where}: the value is in another line, too')
        labels[value] = _label(row['name'].strip(), known, where)
    classes = tuple(known)[2:]
    if not classes:
        raise ValueError(f'{path}: has no class')
    return ClassTable(path, classes, labels, len(columns) > 1)


def _value(texts: list[str], where: str) -> int:
    largest = LARGEST[len(texts)]
    value = 0
    for text in texts:
        if not text.strip().isascii() or not text.strip().isdigit() or int(text) > largest:
            raise ValueError(f'{where}: expected numbers from 0 to {largest}, got {texts}')
        value = (value << BYTE) + int(text)
    return value


def _label(name: str, known: dict[str, int], where: str) -> int:
    """Return the label of a name, which may be new."""
    if name.lower() in (BACKGROUND, VOID):
        return known[name.lower()]
    if not name:
        raise ValueError(f'{where}: has no name')
    if name not in known:
        if len(known) > IGNORE:  # two of them are no classes
            raise ValueError(f'{where}: more than {IGNORE - 1} classes')
        known[name] = len(known) - 1
    return known[name]
