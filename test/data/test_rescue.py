# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is left of a file that is cut off: all whole messages before the cut, and only those."""

import sqlite3

import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

from mcn_ros.data.mcap import unpack
from mcn_ros.data.rescue import RescuedFile

STORE = get_typestore(Stores.LATEST)
STORE.register(get_types_from_msg('uint8[] data', 'test_msgs/msg/Blob'))


def blob(index, size):
    """Return a message that no compression makes smaller."""
    data = np.random.default_rng(index).integers(0, 256, size, dtype=np.uint8)
    return bytes(STORE.serialize_cdr(STORE.types['test_msgs/msg/Blob'](data),
                                     'test_msgs/msg/Blob'))


def write(folder, plugin, size, count=8, mode=CompressionMode.NONE):
    """Write messages in turn to /a and /b; return the file."""
    writer = Writer(folder / 'bag', version=9, storage_plugin=plugin)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        topics = [writer.add_connection(topic, 'test_msgs/msg/Blob', typestore=STORE)
                  for topic in ('/a', '/b')]
        for index in range(count):
            writer.write(topics[index % 2], 1000 + index, blob(index, size))
    file, = [path for path in (folder / 'bag').iterdir() if path.suffix in ('.mcap', '.db3')]
    return file


@pytest.mark.parametrize('plugin, size, count, mode, together', [
    (StoragePlugin.MCAP, 5000, 8, CompressionMode.NONE, 1),
    (StoragePlugin.MCAP, 400_000, 8, CompressionMode.NONE, 1),
    # Three messages share a chunk, which is lost as a whole if it is compressed.
    (StoragePlugin.MCAP, 400_000, 8, CompressionMode.STORAGE, 3),
    (StoragePlugin.MCAP, 5000, 8, CompressionMode.MESSAGE, 1),
    # The starts of about as many messages share a page, which may come after them.
    (StoragePlugin.SQLITE3, 5000, 60, CompressionMode.NONE, 20),
])
def test_what_comes_before_the_cut_is_kept(tmp_path, plugin, size, count, mode, together):
    file = write(tmp_path, plugin, size, count, mode)
    data, cut, counts = file.read_bytes(), tmp_path / f'cut{file.suffix}', []
    for share in (0.45, 0.7, 0.95, 1.0):
        cut.write_bytes(data[:int(share * len(data))])
        found = RescuedFile(cut)
        records = list(found.records())
        assert found.whole == (share == 1)
        counts.append(len(records))
        assert [record.recorded_ns for record in records] == [1000 + i for i in range(counts[-1])]
        for index, record in enumerate(records):
            assert found.channels[record.channel].topic == ('/a', '/b')[index % 2]
            packed = mode == CompressionMode.MESSAGE
            assert (unpack(record.data) if packed else record.data) == blob(index, size)
        assert sum(found.counts.values()) == counts[-1] and found.last_ns == 999 + counts[-1]
        _, msgtype, definition = found.channels[records[0].channel]
        assert msgtype == 'test_msgs/msg/Blob' and 'uint8[] data' in definition
    lost = [count * share - left for share, left in zip((0.45, 0.7, 0.95), counts)]
    assert counts[-1] == count and counts == sorted(counts) and max(lost) <= together + 1


def test_lost_blocks_of_zeros_end_a_file(tmp_path):
    file = write(tmp_path, StoragePlugin.MCAP, 400_000)
    data = file.read_bytes()
    file.write_bytes(data[:len(data) // 2] + bytes(len(data) // 2))
    assert 2 <= sum(RescuedFile(file).counts.values()) < 8


@pytest.mark.parametrize('name, content, message', [
    ('x.mcap', b'', 'is empty'),
    ('x.mcap', b'something else', 'is no mcap file'),
    ('x.mcap', b'\x89MCAP0\r\n', 'has no message left'),
    ('x.mcap', b'\x89MCAP0\r\n\x01' + b'\xff' * 8 + b'abc', 'has no message left'),
    ('x.mcap', b'\x89MCAP0\r\n\x01' + (10 * 2 ** 30).to_bytes(8, 'little') + b'abc',
     'has no message left'),
    ('x.db3', b'', 'is empty'),
    ('x.db3', b'something else' * 100, 'not a database'),
])
def test_nothing_is_left(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        RescuedFile(tmp_path / name)


@pytest.mark.parametrize('topic, message', [
    ((1, None, None, None), (1, 1, None, None)), ((1, 5, 5, 5), (1, 1, 7, 7)),
    ((1, '/a', 'b', ''), (1, 1, 'x', 'x')), (('x', '/a', 'b', ''), (1, 'x', None, b'x'))])
def test_a_database_of_something_else(tmp_path, topic, message):
    path = tmp_path / 'x.db3'
    database = sqlite3.connect(path)
    database.execute('CREATE TABLE topics(id, name, type, serialization_format)')
    database.execute('CREATE TABLE messages(id, topic_id, timestamp, data)')
    database.execute('INSERT INTO topics VALUES(?, ?, ?, ?)', topic)
    database.execute('INSERT INTO messages VALUES(?, ?, ?, ?)', message)
    database.commit()
    database.close()
    with pytest.raises(ValueError, match='has no message left'):
        RescuedFile(path)
