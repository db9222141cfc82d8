# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Streams of frames: every kind of source, and what is said about one that cannot be used."""

from itertools import islice

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

from mcn_ros.data.bags import Bag
from mcn_ros.data.frames import bag_frames, image_topics, PERIOD_NS, read_frames
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
