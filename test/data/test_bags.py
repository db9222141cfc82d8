# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bags in all their forms, and what is told about a damaged one."""

import re
import shutil
import sqlite3

import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
import yaml

from mcn_ros.data.bags import Bag, is_bag

STORE = get_typestore(Stores.LATEST)
TEXT = 'std_msgs/msg/String'
SPLIT = 4  # messages per file
PLUGINS = [StoragePlugin.MCAP, StoragePlugin.SQLITE3]


def write(path, numbers=range(SPLIT), plugin=StoragePlugin.MCAP, mode=CompressionMode.NONE):
    """Write numbered texts of some length to /text, and to /other."""
    writer = Writer(path, version=9, storage_plugin=plugin)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        topics = [writer.add_connection(name, TEXT, typestore=STORE)
                  for name in ('/text', '/other')]
        for number in numbers:
            text = STORE.types[TEXT](f'{number} ' + 'x' * 5000)
            for topic in topics:
                writer.write(topic, 1000 + number, STORE.serialize_cdr(text, TEXT))
    return path


def write_split(path, files, **options):
    """Write a bag of several files, as `ros2 bag record` does when they grow too large."""
    path.mkdir()
    names = []
    for index in range(files):
        part = write(path.parent / f'part_{index}', range(SPLIT * index, SPLIT * (index + 1)),
                     **options)
        content = yaml.safe_load((part / 'metadata.yaml').read_text())
        info = content['rosbag2_bagfile_information']
        file = part / info['relative_file_paths'][0]
        names.append(file.name)
        shutil.move(file, path / file.name)
    info['relative_file_paths'] = names
    info['message_count'] *= files
    info['files'] = []
    (path / 'metadata.yaml').write_text(yaml.safe_dump(content))
    return path


def numbers(bag, topic='/text'):
    """Return the numbers of the texts that can be read."""
    return [int(message.content.data.split()[0]) for message in bag.messages([topic])]


def cut(file, share=0.5):
    data = file.read_bytes()
    file.write_bytes(data[:int(share * len(data))])


@pytest.mark.parametrize('plugin', PLUGINS)
def test_a_sound_bag(tmp_path, plugin):
    with Bag(write(tmp_path / 'bag', plugin=plugin)) as bag:
        assert bag.topics == {'/text': (TEXT,), '/other': (TEXT,)}
        assert bag.counts == {'/text': SPLIT, '/other': SPLIT}
        messages = list(bag.messages(['/other', '/text']))
        assert [m.recorded_ns for m in messages] == [1000 + i // 2 for i in range(2 * SPLIT)]
        assert {m.topic for m in messages} == {'/text', '/other'}
        assert list(bag.messages(['/nothing'])) == [] and list(bag.messages([])) == []
        assert bag.problems == []


@pytest.mark.parametrize('plugin, mode', [
    (StoragePlugin.MCAP, CompressionMode.NONE),
    (StoragePlugin.SQLITE3, CompressionMode.NONE),
    (StoragePlugin.SQLITE3, CompressionMode.FILE),
    (StoragePlugin.MCAP, CompressionMode.MESSAGE),
])
@pytest.mark.parametrize('missing', [None, 2])
def test_files_of_a_split_bag(tmp_path, plugin, mode, missing):
    path = write_split(tmp_path / 'bag', 3, plugin=plugin, mode=mode)
    expected = list(range(3 * SPLIT))
    if missing is not None:
        file, = path.glob(f'part_{missing}.*')
        file.unlink()
        del expected[SPLIT * missing:SPLIT * (missing + 1)]
    with Bag(path) as bag:
        assert numbers(bag) == expected
        problems = '' if missing is None else f'part_{missing}.*missing.*8 of 24 messages'
        assert (not bag.problems) == (missing is None)
        assert re.search(problems, ' '.join(bag.problems))


def test_without_metadata_files_are_in_the_order_of_their_numbers(tmp_path):
    path = write_split(tmp_path / 'bag', 11)
    (path / 'metadata.yaml').unlink()
    assert is_bag(path)
    with Bag(path) as bag:
        assert numbers(bag) == list(range(11 * SPLIT))
        assert bag.counts['/text'] == 11 * SPLIT
        assert bag.problems == ['metadata.yaml: is missing']


@pytest.mark.parametrize('plugin', PLUGINS)
@pytest.mark.parametrize('metadata', [True, False])
def test_a_bag_that_is_cut_off(tmp_path, plugin, metadata):
    path = write(tmp_path / 'bag', range(40), plugin)
    file, = [file for file in path.iterdir() if file.suffix != '.yaml']
    cut(file)
    if not metadata:
        (path / 'metadata.yaml').unlink()
    with Bag(path) as bag:
        found = numbers(bag)
        assert found == list(range(len(found))) and 12 <= len(found) <= 20
        problems = ' '.join(bag.problems)
        assert f'{file.name}: is cut off' in problems
        assert ('of 80 messages are missing' in problems) == metadata


def test_a_single_file_that_is_cut_off(tmp_path):
    file = write(tmp_path / 'bag') / 'bag.mcap'
    cut(file, 0.6)
    with Bag(file) as bag:
        assert numbers(bag) and len(bag.problems) == 1


def test_damage_in_the_middle_is_told_when_it_is_met(tmp_path):
    file = write(tmp_path / 'bag', range(400), mode=CompressionMode.STORAGE) / 'bag.mcap'
    with Bag(file) as bag:
        assert len(numbers(bag)) == 400
    data = bytearray(file.read_bytes())
    at = data.index(b'zstd', len(data) // 3)  # a chunk, which names its compression
    data[at + 20:at + 60] = bytes(40)
    file.write_bytes(data)
    with Bag(file) as bag:
        found = numbers(bag)
        assert found == list(range(len(found))) and len(found) < 400
        assert 'the rest cannot be read' in bag.problems[0]


def test_bags_of_ros_1(tmp_path):
    store = get_typestore(Stores.ROS1_NOETIC)
    for part in range(2):
        with Writer1(tmp_path / f'{part}.bag') as writer:
            connection = writer.add_connection('/text', TEXT, typestore=store)
            message = store.types[TEXT](str(part))
            writer.write(connection, 1000 + part, store.serialize_ros1(message, TEXT))
    for path, expected in ((tmp_path, [0, 1]), (tmp_path / '1.bag', [1])):
        assert is_bag(path)
        with Bag(path) as bag:
            assert numbers(bag) == expected


def test_a_bag_without_messages(tmp_path):
    with Bag(write(tmp_path / 'bag', [])) as bag:
        assert bag.counts == {'/text': 0, '/other': 0} and numbers(bag) == [] and not bag.problems


@pytest.mark.parametrize('content, message', [
    (b'', r'x.mcap.*\(is empty'), (b'abc', 'x.mcap.*no mcap file')])
def test_nothing_can_be_read(tmp_path, content, message):
    (tmp_path / 'x.mcap').write_bytes(content)
    for path in (tmp_path, tmp_path / 'x.mcap'):
        with pytest.raises(ValueError, match=f'nothing of it can be read.*{message}'):
            Bag(path)
    (tmp_path / 'x.bag').write_bytes(content)
    with pytest.raises(ValueError, match='x.bag'):
        Bag(tmp_path / 'x.bag')
    with pytest.raises(ValueError, match='nowhere'):
        Bag(tmp_path / 'nowhere')


def test_images_are_no_bag(tmp_path):
    (tmp_path / 'a.png').write_bytes(np.zeros(3, np.uint8))
    assert not is_bag(tmp_path) and not is_bag(tmp_path / 'a.png')


@pytest.mark.parametrize('indexed', [True, False])
def test_fewer_messages_than_a_file_counts_are_told(tmp_path, indexed):
    file = write(tmp_path / 'bag') / 'bag.mcap'
    data, head = bytearray(file.read_bytes()), 9 + 2  # of a message, and its channel
    first = data.index(b'\x05' + (22 + 4 + 4 + 5003).to_bytes(8, 'little'))
    data[first] = 0x80  # a kind of record that is nobody's
    assert data[first + head - 2:first + head] in (b'\1\0', b'\2\0')
    if not indexed:
        data[-28:-20] = bytes(8)
    file.write_bytes(data)
    with Bag(file) as bag:
        assert numbers(bag) == list(range(1, SPLIT))
        told = ' '.join(bag.problems)
        assert ('1 of 4 messages on /text are missing' in told) == indexed


def test_fewer_messages_than_the_metadata_counts_are_told(tmp_path):
    path = write(tmp_path / 'bag', range(3))
    text = (path / 'metadata.yaml').read_text()
    (path / 'metadata.yaml').write_text(text.replace('message_count: 6', 'message_count: 10'))
    with Bag(path) as bag:
        assert numbers(bag) == [0, 1, 2]
        assert bag.problems == ['4 of 10 messages are missing']


@pytest.mark.parametrize('mode', [CompressionMode.NONE, CompressionMode.FILE,
                                  CompressionMode.MESSAGE])
@pytest.mark.parametrize('plugin', PLUGINS)
def test_a_bag_whose_files_were_renamed(tmp_path, plugin, mode):
    path = write_split(tmp_path / 'bag', 2, plugin=plugin, mode=mode)
    for index, file in enumerate(sorted(path.glob('part_*'))):
        file.rename(path / f'morning_{10 ** index}{"".join(file.suffixes)}')
    with Bag(path) as bag:
        assert numbers(bag) == list(range(2 * SPLIT))
        problem, = bag.problems
        assert re.fullmatch(r'metadata.yaml: names part_0\..*, part_1\..*, which is not there; '
                            r'morning_1\..*, morning_10\..* is read.*', problem)


def test_a_file_that_is_not_named_is_told(tmp_path):
    path = write(tmp_path / 'bag')
    shutil.copy(path / 'bag.mcap', path / 'copy.mcap')
    with Bag(path) as bag:
        assert numbers(bag) == list(range(SPLIT))
        assert bag.problems == ['copy.mcap: is not read, as metadata.yaml does not name it']


@pytest.mark.parametrize('plugin', PLUGINS)
def test_compressed_messages_are_read_without_metadata(tmp_path, plugin):
    path = write(tmp_path / 'bag', plugin=plugin, mode=CompressionMode.MESSAGE)
    (path / 'metadata.yaml').unlink()
    with Bag(path) as bag:
        assert numbers(bag) == list(range(SPLIT))


def test_a_compressed_file_that_is_cut_off(tmp_path):
    path = write(tmp_path / 'bag', range(200), mode=CompressionMode.FILE)
    file = path / 'bag.mcap.zstd'
    cut(file, 0.5)
    with Bag(path) as bag:
        found = numbers(bag)
        assert found == list(range(len(found))) and 0 < len(found) < 200
        told = ' '.join(bag.problems)
        assert 'bag.mcap.zstd: is cut off' in told and 'of 400 messages are missing' in told


def test_messages_of_no_topic_are_told(tmp_path):
    path = write(tmp_path / 'bag', plugin=StoragePlugin.SQLITE3)
    database = sqlite3.connect(path / 'bag.db3')
    database.execute("DELETE FROM topics WHERE name = '/other'")
    database.commit()
    database.close()
    with Bag(path) as bag:
        assert numbers(bag) == list(range(SPLIT))
        assert bag.problems[0] == f'bag.db3: {SPLIT} messages are of no topic'


@pytest.mark.parametrize('whole', [True, False])
@pytest.mark.parametrize('plugin', PLUGINS)
def test_a_topic_of_two_types(tmp_path, plugin, whole):
    other = 'std_msgs/msg/Int32'
    with Writer(tmp_path / 'bag', version=9, storage_plugin=plugin) as writer:
        to = {kind: writer.add_connection('/topic', kind, typestore=STORE)
              for kind in (other, TEXT)}
        for number in range(40):
            for kind, value in ((TEXT, f'{number} ' + 5000 * 'x'), (other, number)):
                message = STORE.types[kind](value)
                writer.write(to[kind], 1000 + number, STORE.serialize_cdr(message, kind))
    if not whole:
        cut(next(file for file in (tmp_path / 'bag').iterdir() if file.suffix != '.yaml'), 0.8)
    with Bag(tmp_path / 'bag') as bag:
        assert set(bag.topics['/topic']) == {TEXT, other}
        assert bag.topics_of(TEXT) == bag.topics_of(other, TEXT) == ['/topic']
        for kind in (TEXT, other):
            found = [message.content.data for message in bag.messages(['/topic'], (kind,))]
            assert {type(value) for value in found} == {str if kind == TEXT else int}
            assert len(found) == bag.count(['/topic'], (kind,)) >= (40 if whole else 10)
        assert len(list(bag.messages(['/topic']))) == bag.counts['/topic']
