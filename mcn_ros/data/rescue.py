# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What is left of a damaged file of a bag.

An mcap file (mcap.dev/spec) is a sequence of records with an index at its end; a file that is cut
off has no index. A database that is cut off lacks its last pages. Both are read from the start as
far as they go. Of an mcap chunk that is cut off, whole messages are kept if it is not compressed.
"""

from pathlib import Path
import sqlite3
from typing import Any, BinaryIO, Iterator, NamedTuple, Sequence

# Whoever has the reader has its decompressors, whichever packages they come from.
from rosbags.rosbag2.storage_mcap import DECOMPRESSORS

MCAP_MAGIC = b'\x89MCAP0\r\n'
SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
LARGEST_RECORD = 1 << 30  # bytes; also of what a chunk or a message is unpacked to
MSG_ENCODING = 'ros2msg'  # the definitions that are understood, others are left out


class Record(NamedTuple):
    """
    A message as it is stored.

    :param topic: its topic.
    :param recorded_ns: time of the recording, nanoseconds.
    :param data: serialized message.
    """

    topic: str
    recorded_ns: int
    data: bytes


class RescuedFile:
    """
    The readable part of a file, which is gone through once to find out what there is.

    - ``topics``: topic -> type of its messages, and definition of that ('' where there is none).
    - ``counts``: topic -> number of its messages.
    - ``last_ns``: time of the last recording, 0 if there is none.

    :param path: an .mcap or .db3 file.
    :param packed_messages: each message is compressed.
    :raises ValueError: if nothing can be read.
    """

    def __init__(self, path: Path, packed_messages: bool = False):
        self.path, self._packed = path, packed_messages
        self.topics: dict[str, tuple[str, str]] = {}
        self.counts: dict[str, int] = {}
        self.last_ns = 0
        if not path.stat().st_size:
            raise ValueError('is empty')
        try:
            self._go_through()
        # Texts that are none, numbers where text is meant: the content of a file may be anything.
        except (TypeError, LookupError, OverflowError) as error:
            raise ValueError(f'is malformed: {error}') from error

    def _go_through(self) -> None:
        for record in self._records():
            self.counts[record.topic] = self.counts.get(record.topic, 0) + 1
            self.last_ns = max(self.last_ns, record.recorded_ns)
        if not self.counts:
            raise ValueError('has no message left')

    def messages(self, topics: Sequence[str]) -> Iterator[Record]:
        """Yield the messages of some topics, about in the order of their recording."""
        for record in self._records():
            if record.topic in topics:
                data = unpack(record.data) if self._packed else record.data
                yield record._replace(data=data)

    def _records(self) -> Iterator[Record]:
        read = _mcap_records if self.path.suffix == '.mcap' else _database_records
        return read(self.path, self.topics)


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


def _mcap_records(path: Path, topics: dict[str, tuple[str, str]]) -> Iterator[Record]:
    """Yield messages; ``topics`` is filled as channels come up."""
    schemas: dict[int, tuple[str, str]] = {0: ('', '')}
    channels: dict[int, str] = {}
    with path.open('rb') as file:
        if file.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
            raise ValueError('is no mcap file')
        for kind, content in _unchunked(file):
            fields = _Fields(content)
            if kind == SCHEMA:
                number, name = fields.number(2), fields.text()
                text = fields.text() == MSG_ENCODING
                schemas[number] = name, fields.text() if text else ''
            elif kind == CHANNEL:
                number, schema, topic = fields.number(2), fields.number(2), fields.text()
                channels[number] = topic
                topics[topic] = schemas.get(schema, ('', ''))
            elif kind == MESSAGE:
                channel, _, recorded_ns = fields.number(2), fields.number(4), fields.number(8)
                fields.number(8)  # time of publishing
                if channel in channels:
                    yield Record(channels[channel], recorded_ns, fields.rest())


def _unchunked(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of the records outside of chunks and in them, while there are any."""
    for kind, content, whole in _split(file):
        if kind == DATA_END:
            return
        if kind == CHUNK:
            try:
                yield from _chunk_records(content)
            except ValueError:
                return
        elif whole:
            yield kind, content


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
        found = bytes(self._data[self._at:self._at + count])
        self._at += len(found)
        return found

    def number(self, count: int) -> int:
        found = self.read(count)
        if len(found) < count:
            raise ValueError('a record is cut off')
        return int.from_bytes(found, 'little')

    def text(self) -> str:
        return self.read(self.number(4)).decode()

    def rest(self) -> bytes:
        return self.read(len(self._data))


def _database_records(path: Path, topics: dict[str, tuple[str, str]]) -> Iterator[Record]:
    """Yield messages; ``topics`` is filled first."""
    database = sqlite3.connect(f'{path.resolve().as_uri()}?mode=ro&immutable=1', uri=True)
    try:
        # Otherwise a database that is shorter than it says is not opened at all.
        database.execute('PRAGMA writable_schema=ON')
        names = {}
        for number, topic, msgtype in database.execute('SELECT id, name, type FROM topics'):
            names[number] = topic
            topics[topic] = msgtype, _definition(database, msgtype)
        for number, recorded_ns, data in _rows(database):
            if number in names and isinstance(recorded_ns, int) and isinstance(data, bytes):
                yield Record(names[number], recorded_ns, data)
    except sqlite3.Error as error:
        raise ValueError(str(error)) from error
    finally:
        database.close()


def _rows(database: sqlite3.Connection) -> Iterator[tuple[int, int, bytes]]:
    """Yield topic id, time and data as far as the pages go, in the order of writing."""
    try:
        # By the table itself: its index of times is spread over the whole file.
        yield from database.execute('SELECT topic_id, timestamp, data FROM messages ORDER BY id')
    except sqlite3.DatabaseError:
        return


def _definition(database: sqlite3.Connection, msgtype: str) -> str:
    """Return the definition of a type, '' where there is none: older bags have no such table."""
    try:
        found = database.execute(
            'SELECT encoded_message_definition FROM message_definitions '
            'WHERE topic_type = ? AND encoding = ?', (msgtype, MSG_ENCODING)).fetchone()
    except sqlite3.DatabaseError:
        return ''
    return found[0] if found else ''
