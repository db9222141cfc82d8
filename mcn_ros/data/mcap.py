# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Files of mcap bags (mcap.dev/spec), read from the start as far as they go.

Such a file is a sequence of records with an index at its end; a file that is cut off has none. Of
a chunk that is cut off, whole messages are kept if it is not compressed.
"""

import os
from pathlib import Path
from typing import Any, BinaryIO, Iterator

# Whoever has the reader has its decompressors, whichever packages they come from.
from rosbags.rosbag2.storage_mcap import DECOMPRESSORS

from mcn_ros.data.records import Channel, MSG_ENCODING, StoredMessage

MAGIC = b'\x89MCAP0\r\n'
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK = 0x02, 0x03, 0x04, 0x05, 0x06
CHUNK_INDEX, STATISTICS, DATA_END = 0x08, 0x0B, 0x0F
FOOTER_BYTES = 9 + 20 + len(MAGIC)
LARGEST_RECORD = 1 << 30  # bytes; also of what a chunk or a message is unpacked to


class McapFile:
    """
    An mcap file, read without its index.

    - ``channels``: number -> channel, filled as channels come up.
    - ``whole``: whether the end has been reached.
    - ``counted``: how many messages the file says that it has, once its end has been reached;
      None where it says nothing.

    :param path: of the file.
    """

    def __init__(self, path: Path):
        self.path = path
        self.channels: dict[int, Channel] = {}
        self.whole = False
        self.counted: int | None = None

    def records(self) -> Iterator[StoredMessage]:
        """Yield the messages; ValueError if it is no mcap file, or a record is malformed."""
        schemas: dict[int, tuple[str, str]] = {0: ('', '')}
        with self.path.open('rb') as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError('is no mcap file')
            for kind, content in self._unchunked(file):
                fields = _Fields(content)
                if kind == SCHEMA:
                    number, name = fields.number(2), fields.text()
                    text = fields.text() == MSG_ENCODING
                    schemas[number] = name, fields.text() if text else ''
                elif kind == CHANNEL:
                    number, schema, topic = fields.number(2), fields.number(2), fields.text()
                    self.channels[number] = Channel(topic, *schemas.get(schema, ('', '')))
                elif kind == MESSAGE:
                    channel, _, recorded_ns = fields.number(2), fields.number(4), fields.number(8)
                    fields.number(8)  # time of publishing
                    if channel in self.channels:
                        yield StoredMessage(channel, recorded_ns, fields.rest())

    def _unchunked(self, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
        """Yield kind and content of the records outside of chunks and in them."""
        for kind, content, whole in _split(file):
            if kind == DATA_END:
                self.whole, self.counted = True, _summary(file)[0]
                return
            if kind == CHUNK:
                try:
                    yield from _chunk_records(content)
                except ValueError:
                    return
            elif whole:
                yield kind, content


def is_indexed(path: Path) -> bool:
    """
    Return whether the index of an mcap file is known to have all of its messages.

    Readers that go by the index find no others.

    :raises ValueError: if the file has no end.
    """
    with path.open('rb') as file:
        if file.seek(0, os.SEEK_END) < FOOTER_BYTES:
            raise ValueError('has no end')
        file.seek(-FOOTER_BYTES, os.SEEK_END)
        kind, content, _ = next(_split(file), (0, b'', False))
        start = _Fields(content).number(8) if kind == FOOTER else 0
        if not start:
            return False
        file.seek(start)
        counted, indexed = _summary(file)
    return counted == indexed


def unpack(data: bytes, compression: str = 'zstd', size: int = 0) -> bytes:
    """
    Decompress.

    :param compression: '', 'zstd' or 'lz4'.
    :param size: of the result if it is known.
    :raises ValueError: for data that cannot be decompressed.
    """
    if size > LARGEST_RECORD:
        raise ValueError(f'{len(data)} bytes of {compression} data claim to be {size} bytes')
    try:
        return DECOMPRESSORS[compression](data, size)
    except Exception as error:  # each compression has exceptions of its own
        raise ValueError(f'{len(data)} bytes of {compression} data are damaged') from error


def _summary(file: BinaryIO) -> tuple[int | None, int]:
    """Return the numbers of messages that a summary has counted (None: not at all) and indexed."""
    counted, indexed = None, 0
    for kind, content, _ in _split(file):
        if kind == FOOTER:
            break
        fields = _Fields(content)
        if kind == STATISTICS:
            counted = fields.number(8)
        elif kind == CHUNK_INDEX:
            fields.read(32)  # times and place of the chunk
            channels = len(fields.read(fields.number(4))) // 10
            # A message index: kind, length, channel, length of a list of (time, place).
            indexed += (fields.number(8) - channels * (1 + 8 + 2 + 4)) // 16
    return counted, indexed


def _chunk_records(content: bytes) -> list[tuple[int, bytes]]:
    """Return the records of a chunk, messages in the order of time."""
    fields = _Fields(content)
    fields.number(8), fields.number(8)  # first and last time
    size, _, compression = fields.number(8), fields.number(4), fields.text()
    fields.number(8)  # compressed size
    data = unpack(fields.rest(), compression, size)
    records = [(kind, record) for kind, record, whole in _split(_Fields(data)) if whole]
    # Definitions stand before the messages that need them, and the sort is stable.
    return sorted(records, key=lambda entry: _log_time(*entry))


def _log_time(kind: int, content: bytes) -> int:
    return int.from_bytes(content[6:14], 'little') if kind == MESSAGE else -1


def _split(file: Any) -> Iterator[tuple[int, bytes, bool]]:
    """Yield kind and content of records, and whether all of it is there: the last may be cut."""
    while True:
        head = file.read(9)
        # 0 is no kind of record: where a file system has lost data, there often are zeros.
        if len(head) < 9 or not head[0]:
            return
        size = int.from_bytes(head[1:], 'little')
        # A claim of exabytes takes no memory for them.
        content = file.read(min(size, LARGEST_RECORD))
        yield head[0], content, len(content) == size


class _Fields:
    """Bytes that are read field by field; all numbers are little-endian."""

    def __init__(self, data: bytes):
        self._data, self._at = memoryview(data), 0

    def read(self, count: int) -> bytes:
        data = bytes(self._data[self._at:self._at + count])
        self._at += len(data)
        return data

    def number(self, count: int) -> int:
        data = self.read(count)
        if len(data) < count:
            raise ValueError('a record is cut off')
        return int.from_bytes(data, 'little')

    def text(self) -> str:
        return self.read(self.number(4)).decode()

    def rest(self) -> bytes:
        return self.read(len(self._data))
