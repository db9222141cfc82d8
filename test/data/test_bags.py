# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bags in all their forms, and what is told about a damaged one."""

import re
import shutil

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
        assert bag.topics == {'/text': TEXT, '/other': TEXT}
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
        assert bag.counts == {'/text': 0, '/other': 0} and numbers(bag) == []


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
