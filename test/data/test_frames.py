# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Streams of frames: every kind of source, and what is said about one that cannot be used."""

from itertools import islice
from pathlib import Path

import cv2
from hypothesis import given, settings, strategies
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

from mcn_ros.data.bags import Bag
from mcn_ros.data.frames import (
    bag_frames, image_topics, is_synthetic, PERIOD_NS, read_frames)
from mcn_ros.data.image_formats import EncodedImage, RawImage

STORE = get_typestore(Stores.ROS2_KILTED)
PREFIX = 'sensor_msgs/msg/'
SECOND = 1_000_000_000


def picture(index, height=24, width=32):
    return np.random.default_rng(index).integers(0, 256, (height, width, 3), dtype=np.uint8)


def header(stamp_ns, frame_id='optical'):
    types = STORE.types
    stamp = types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, SECOND))
    return types['std_msgs/msg/Header'](stamp, frame_id)


def image_msg(index, stamp_ns):
    rows = np.pad(picture(index)[:, :, ::-1].reshape(24, -1), ((0, 0), (0, 4)))
    return STORE.types[PREFIX + 'Image'](
        header(stamp_ns), 24, 32, 'bgr8', 0, rows.shape[1], rows.reshape(-1))


def compressed_msg(index, stamp_ns):
    data = cv2.imencode('.png', picture(index)[:, :, ::-1])[1].reshape(-1)
    return STORE.types[PREFIX + 'CompressedImage'](header(stamp_ns), 'png', data)


def camera_info(index, stamp_ns):
    return header(stamp_ns)


def write_bag(path, topics, count=3, plugin=StoragePlugin.MCAP, stamped=True):
    """Write messages made by {topic: function}, at 5 Hz."""
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        for topic, make in topics.items():
            kind = make(0, 0).__msgtype__
            connection = writer.add_connection(topic, kind, typestore=STORE)
            for index in range(count):
                time_ns = (100 + index) * SECOND // 5
                msg = make(index, time_ns if stamped else 0)
                writer.write(connection, time_ns, STORE.serialize_cdr(msg, kind))
    return path


def test_drawn_scenes_have_no_end_and_can_be_repeated():
    first = list(islice(read_frames('SYNTHETIC', size=(48, 64), seed=3), 3))
    again = list(islice(read_frames('SYNTHETIC', size=(48, 64), seed=4), 2))
    assert [frame.stamp_ns for frame in first] == [0, PERIOD_NS, 2 * PERIOD_NS]
    assert first[0].image.shape == (48, 64, 3)
    assert not np.array_equal(first[0].image, first[1].image)
    np.testing.assert_array_equal(first[1].image, again[0].image)


def test_drawn_scenes_do_not_hide_a_folder_of_their_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_synthetic('SYNTHETIC') and is_synthetic('synthetic') and not is_synthetic('Scenes')
    Path('synthetic').mkdir()
    assert is_synthetic('SYNTHETIC') and not is_synthetic('synthetic')
    cv2.imwrite('synthetic/one.png', picture(0))
    frame, = read_frames('synthetic')
    assert frame.name == 'one'


def test_a_folder_gives_its_images_in_order(tmp_path):
    for index in (2, 0, 1):
        cv2.imwrite(str(tmp_path / f'{index}.png'), picture(index)[:, :, ::-1])
    (tmp_path / 'annotations.json').write_text('{}')
    frames = list(read_frames(str(tmp_path)))
    assert [frame.name for frame in frames] == ['0', '1', '2']
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image, picture(index))
        assert frame.content.data == (tmp_path / f'{index}.png').read_bytes()


def test_a_single_image(tmp_path):
    cv2.imwrite(str(tmp_path / 'one.png'), picture(0)[:, :, ::-1])
    frame, = read_frames(str(tmp_path / 'one.png'))
    np.testing.assert_array_equal(frame.image, picture(0))


def test_the_frames_of_a_folder_are_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 9, 2, 100):
        cv2.imwrite(str(tmp_path / f'frame_{number}.png'), np.full((8, 8), number, np.uint8))
    assert [int(frame.image[0, 0, 0]) for frame in read_frames(str(tmp_path))] == [2, 9, 10, 100]


def test_a_video_keeps_its_pace(tmp_path):
    path = str(tmp_path / 'video.avi')
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*'MJPG'), 5, (64, 48))
    for level in (50, 100, 150):
        writer.write(np.full((48, 64, 3), (0, 0, level), np.uint8))
    writer.release()
    frames = list(read_frames(path))
    assert [frame.stamp_ns for frame in frames] == [0, SECOND // 5, 2 * SECOND // 5]
    for frame, level in zip(frames, (50, 100, 150)):
        np.testing.assert_allclose(frame.image.mean(axis=(0, 1)), (level, 0, 0), atol=4)


@pytest.mark.parametrize('plugin', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize('make, kind', [(image_msg, RawImage), (compressed_msg, EncodedImage)])
def test_a_bag(tmp_path, plugin, make, kind):
    topics = {'/camera/info': camera_info, '/camera/image': make}
    path = write_bag(tmp_path / 'bag', topics, plugin=plugin)
    single_file, = [file for file in path.iterdir() if file.suffix in ('.mcap', '.db3')]
    for source in (path, single_file):
        frames = list(read_frames(str(source)))
        assert [frame.stamp_ns for frame in frames] == [20 * SECOND + i * SECOND // 5
                                                        for i in range(3)]
        for index, frame in enumerate(frames):
            np.testing.assert_array_equal(frame.image, picture(index))
            assert frame.frame_id == 'optical' and isinstance(frame.content, kind)
            assert frame.topic == '/camera/image'


def test_a_bag_without_stamps_gives_the_time_of_recording(tmp_path):
    path = write_bag(tmp_path / 'bag', {'/image': image_msg}, stamped=False)
    assert [frame.stamp_ns // SECOND for frame in read_frames(str(path))] == [20, 20, 20]


def test_the_topic_of_a_bag(tmp_path):
    topics = {'/left/image': image_msg, '/right/image': compressed_msg, '/info': camera_info}
    path = str(write_bag(tmp_path / 'bag', topics))
    frames = list(read_frames(path, topic='/right/image'))
    assert len(frames) == 3 and isinstance(frames[0].content, EncodedImage)
    with pytest.raises(ValueError, match='several image topics.*: /left/image, /right/image'):
        read_frames(path)
    with pytest.raises(ValueError, match="'/info'.*/left/image, /right/image"):
        read_frames(path, topic='/info')


@pytest.mark.parametrize('order', [1, -1])
def test_images_on_a_topic_that_has_something_else_as_well(tmp_path, order):
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for make in (image_msg, camera_info)[::order]:
            kind = make(0, 0).__msgtype__
            connection = writer.add_connection('/eye', kind, typestore=STORE)
            for index in range(3):
                message = STORE.serialize_cdr(make(index, index), kind)
                writer.write(connection, 1000 + index, message)
    for index, frame in enumerate(read_frames(str(tmp_path / 'bag'))):
        np.testing.assert_array_equal(frame.image, picture(index))
    assert index == 2


def test_several_topics_of_a_bag(tmp_path):
    topics = {'/left/image': image_msg, '/right/image': compressed_msg, '/info': camera_info}
    with Bag(write_bag(tmp_path / 'bag', topics)) as bag:
        chosen = image_topics(bag, ['/right/image', '/left/image'])
        frames = list(bag_frames(bag, chosen))
    assert [frame.topic for frame in frames[:2]] in (chosen, chosen[::-1]) and len(frames) == 6


def test_what_is_missing_of_a_bag_is_logged(tmp_path, caplog):
    path = write_bag(tmp_path / 'bag', {'/image': image_msg}, count=9)
    data = (path / 'bag.mcap').read_bytes()
    (path / 'bag.mcap').write_bytes(data[:len(data) // 2])
    frames = list(read_frames(str(path)))
    assert 2 <= len(frames) < 9
    np.testing.assert_array_equal(frames[-1].image, picture(len(frames) - 1))
    assert 'cut off' in caplog.text and f'{9 - len(frames)} of 9 messages' in caplog.text


@pytest.mark.parametrize('topics, message', [
    ({}, r'is empty \(topics: none\)'), ({'/image': image_msg}, r'is empty \(topics: /image\)')])
def test_an_empty_bag(tmp_path, topics, message):
    with pytest.raises(ValueError, match=message):
        read_frames(str(write_bag(tmp_path / 'bag', topics, count=0)))


def test_a_bag_without_images_names_its_topics(tmp_path):
    path = write_bag(tmp_path / 'bag', {'/b': camera_info, '/a': camera_info})
    with pytest.raises(ValueError, match=r'no image topic \(topics: /a, /b\)'):
        read_frames(str(path))


def test_sources_that_give_nothing(tmp_path):
    with pytest.raises(ValueError, match="nowhere' does not exist .*SYNTHETIC"):
        read_frames(str(tmp_path / 'nowhere'))
    with pytest.raises(ValueError, match='no images'):
        read_frames(str(tmp_path))
    (tmp_path / 'text.mp4').write_text('not a video')
    with pytest.raises(ValueError, match='no images'):
        read_frames(str(tmp_path / 'text.mp4'))
    (tmp_path / 'broken.mcap').write_bytes(b'not a bag')
    with pytest.raises(ValueError, match='broken.mcap'):
        read_frames(str(tmp_path / 'broken.mcap'))
    (tmp_path / 'metadata.yaml').write_text('rosbag2_bagfile_information: 3')
    with pytest.raises(ValueError, match='bag '):
        read_frames(str(tmp_path))


def test_a_damaged_image_is_told_when_it_is_looked_at(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'not an image')
    frame, = read_frames(str(tmp_path))
    with pytest.raises(ValueError, match='no image that can be decoded'):
        frame.image


@pytest.mark.parametrize('definition, data', [
    ('uint32 a', b'\0\0\0\0'), ('uint32 header\nstring data', bytes(8)),
    ('std_msgs/Header header\nuint8 height', bytes(20)),
    ('std_msgs/Header header\nstring[] height\nuint8[] data\nuint8 width\nuint8 step\n'
     'string encoding\nuint8 is_bigendian', bytes(40)),
    ('uint8[] a', b'\xff\xff\xff\x7f'), ('uint8[] a', b'')])
def test_messages_that_only_claim_to_be_images(tmp_path, definition, data):
    store = get_typestore(Stores.EMPTY)
    kind = PREFIX + 'Image'
    store.register({**get_types_from_msg(definition, kind),
                    **get_types_from_msg('uint32 seq', 'std_msgs/msg/Header')})
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/eye', kind, typestore=store)
        writer.write(connection, 5, b'\0\1\0\0' + data)
    with pytest.raises(ValueError, match='topic /eye: a message is no image|has no images'):
        list(read_frames(str(tmp_path / 'bag')))


@pytest.mark.parametrize('change', [
    lambda text: text.replace('cdr', 'protobuf'), lambda text: 'a: [',
    lambda text: text.replace('storage_identifier: mcap', 'storage_identifier: other'),
    lambda text: text.replace('bag.mcap', '/etc/passwd'),
    lambda text: '!!python/object/apply:os.mkdir [was_here]', lambda text: '[' * 5000])
def test_descriptions_of_bags_that_lie(tmp_path, change, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_bag(tmp_path / 'bag', {'/eye': image_msg})
    path = tmp_path / 'bag' / 'metadata.yaml'
    path.write_text(change(path.read_text()))
    try:
        assert all(frame.image.shape == (24, 32, 3) for frame in read_frames(str(path.parent)))
    except ValueError as error:
        assert str(path.parent) in str(error)
    assert [file.name for file in tmp_path.iterdir()] == ['bag']


@settings(max_examples=60)
@given(strategies.sampled_from([StoragePlugin.MCAP, StoragePlugin.SQLITE3]),
       strategies.lists(strategies.tuples(strategies.floats(0, 1, exclude_max=True),
                                          strategies.integers(1, 255)), max_size=4),
       strategies.just(1.0) | strategies.floats(0, 1))
def test_damaged_bags_are_refused_or_read(tmp_path_factory, plugin, flips, kept):
    folder = tmp_path_factory.mktemp('damaged')
    write_bag(folder / 'bag', {'/eye': image_msg}, plugin=plugin)
    (path,) = (file for file in (folder / 'bag').iterdir() if file.suffix != '.yaml')
    data = bytearray(path.read_bytes())
    for place, bits in flips:
        data[int(place * len(data))] ^= bits
    path.write_bytes(data[:int(kept * len(data))])
    for source in (path, path.parent):
        try:
            for frame in read_frames(str(source)):
                assert frame.image.dtype == np.uint8
        except ValueError as error:
            assert str(error)


class Video:
    """A video file that says anything of itself; it has one frame."""

    def __init__(self, **properties):
        self.properties = {getattr(cv2, f'CAP_PROP_{k}'): v for k, v in properties.items()}
        self.left = 1

    def get(self, name):
        return self.properties.get(name, 0.0)

    def read(self):
        self.left -= 1
        return self.left >= 0, np.zeros((24, 32, 3), np.uint8)

    def release(self):
        self.left = 0


@pytest.mark.parametrize('rate', [0.0, -1.0, float('nan'), float('inf'), 1e-320, 1e30])
def test_a_video_may_say_anything_of_its_rate(tmp_path, monkeypatch, rate):
    (tmp_path / 'a.avi').touch()
    monkeypatch.setattr(cv2, 'VideoCapture', lambda _: Video(FPS=rate))
    (frame,) = read_frames(str(tmp_path / 'a.avi'))
    assert frame.stamp_ns == 0


def test_a_video_that_claims_to_be_large_is_not_decoded(tmp_path, monkeypatch):
    (tmp_path / 'a.avi').touch()
    video = Video(FRAME_WIDTH=60000.0, FRAME_HEIGHT=60000.0, FPS=10.0)
    monkeypatch.setattr(cv2, 'VideoCapture', lambda _: video)
    with pytest.raises(ValueError, match='a.avi: has 3600.0 million pixels, more than'):
        read_frames(str(tmp_path / 'a.avi'))
