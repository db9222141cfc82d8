# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Whether the index of an mcap file has all messages; what is compressed, and claims to be."""

import struct

import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

from mcn_ros.data import mcap
from mcn_ros.data.bags import Bag
from mcn_ros.data.mcap import is_indexed, McapFile, unpack

STORE = get_typestore(Stores.LATEST)
TEXT = 'std_msgs/msg/String'
LARGE = 'x' * (1 << 20)  # a chunk of its own


def write(path, count=3, text=LARGE):
    """Write texts to /text and /other; return the file."""
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = [writer.add_connection(name, TEXT, typestore=STORE)
                  for name in ('/text', '/other')]
        for number in range(count):
            for topic in topics:
                data = STORE.serialize_cdr(STORE.types[TEXT](text), TEXT)
                writer.write(topic, 1000 + number, data)
    return path / f'{path.name}.mcap'


def chunk_indices(data):
    """Yield where the chunk indices of a file begin (after kind and length)."""
    at, = struct.unpack('<Q', data[-28:-20])
    while data[at] != mcap.FOOTER:
        if data[at] == mcap.CHUNK_INDEX:
            yield at + 9
        at += 9 + struct.unpack('<Q', data[at + 1:at + 9])[0]


def without_index(file, chunk):
    """Let the index of a chunk say that its messages are not indexed, as writers may leave it."""
    data = bytearray(file.read_bytes())
    at = list(chunk_indices(data))[chunk]
    length, = struct.unpack('<I', data[at + 32:at + 36])
    count = length // 10
    # As long as before: the entries of its map are of channels that there are none of.
    for entry in range(count):
        struct.pack_into('<HQ', data, at + 36 + 10 * entry, 60000 + entry, 0)
    struct.pack_into('<Q', data, at + 36 + length, 15 * count)
    file.write_bytes(data)


@pytest.mark.parametrize('chunk', [0, 1, 5])
def test_an_index_that_lacks_messages(tmp_path, chunk):
    file = write(tmp_path / 'bag')
    assert is_indexed(file)
    without_index(file, chunk)
    assert not is_indexed(file)
    found = McapFile(file)
    assert len(list(found.records())) == 6 and found.whole and found.counted == 6
    for path in (file, file.parent):
        with Bag(path) as bag:
            assert len(list(bag.messages(['/text', '/other']))) == 6 and not bag.problems


def test_a_file_without_messages_is_indexed(tmp_path):
    assert is_indexed(write(tmp_path / 'bag', 0))


def test_a_file_without_end_or_summary(tmp_path):
    file = write(tmp_path / 'bag', text='a')
    data = file.read_bytes()
    file.write_bytes(data[:-28] + bytes(20) + data[-8:])  # what a writer without summary writes
    assert not is_indexed(file)
    for kept in (0, 10):
        file.write_bytes(data[:kept])
        with pytest.raises(ValueError, match='has no end'):
            is_indexed(file)


def test_what_claims_to_be_gigabytes_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(mcap, 'DECOMPRESSORS', {})
    with pytest.raises(ValueError, match='4 bytes of zstd data claim to be 10737418240 bytes'):
        unpack(b'1234', 'zstd', 10 * 2 ** 30)
