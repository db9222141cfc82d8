# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bags that are written hold every pixel, go by their stamps, and appear when they are whole."""

import json

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import Reader

from mcn_ros.data.bag_writer import ANNOTATIONS, BagConfig, coco_frames, START_NS, write_bag
from mcn_ros.data.frames import Frame, read_frames
from mcn_ros.data.image_formats import EncodedImage, RawImage

PERIODS = [0, 5, 20]  # milliseconds


def picture(index, height=24, width=32):
    return np.random.default_rng(index).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(index, suffix):
    data = cv2.imencode(suffix, picture(index)[:, :, ::-1])[1]
    return EncodedImage(suffix.lstrip('.'), data.tobytes())


def raw(index, encoding='bgr8'):
    pixels = picture(index) if encoding == 'rgb8' else picture(index)[:, :, ::-1]
    return RawImage(encoding, 24, 32, 96, np.ascontiguousarray(pixels).reshape(-1))


def frames(make=raw):
    return [Frame(str(i), 7 + ms * 10 ** 6, make(i)) for i, ms in enumerate(PERIODS)]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('transport', ['raw', 'compressed'])
@pytest.mark.parametrize('make', [
    raw, lambda i: raw(i, 'rgb8'), lambda i: encoded(i, '.png'), lambda i: encoded(i, '.bmp')])
def test_pixels_and_times_stay_as_they_are(tmp_path, storage, transport, make):
    config = BagConfig('/eye', transport, storage=storage)
    assert write_bag(tmp_path / 'new' / 'bag', frames(make), config) == 3
    found = list(read_frames(str(tmp_path / 'new' / 'bag')))
    assert [f.stamp_ns for f in found] == [START_NS + ms * 10 ** 6 for ms in PERIODS]
    for index, frame in enumerate(found):
        np.testing.assert_array_equal(frame.image, picture(index))
        assert (frame.topic, frame.frame_id) == (config.full_topic, 'camera')
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['bag']


@pytest.mark.parametrize('suffix, file_format', [('.jpg', 'jpeg'), ('.png', 'png')])
def test_compressed_images_are_the_files(tmp_path, suffix, file_format):
    write_bag(tmp_path / 'bag', frames(lambda i: encoded(i, suffix)),
              BagConfig(transport='compressed'))
    for index, frame in enumerate(read_frames(str(tmp_path / 'bag'))):
        assert bytes(frame.content.data) == encoded(index, suffix).data
        assert frame.content.file_format == file_format
        assert frame.topic == '/camera/image_raw/compressed'


@pytest.mark.parametrize('encoding', ['bgr8', 'rgb8'])
def test_what_ros_is_told(tmp_path, encoding):
    config = BagConfig('/eye', encoding=encoding, rate=4, frame_id='left', start_ns=10 ** 9)
    write_bag(tmp_path / 'bag', frames(lambda i: encoded(i, '.png')), config)
    with Reader(tmp_path / 'bag') as reader:
        connection, = reader.connections
        assert (connection.topic, connection.msgtype) == ('/eye', 'sensor_msgs/msg/Image')
        assert connection.digest.startswith('RIHS01_')
        assert [time for _, time, _ in reader.messages()] == [
            10 ** 9, 1_250_000_000, 1_500_000_000]
        assert reader.message_count == 3 and reader.duration == 500_000_001
    frame = next(read_frames(str(tmp_path / 'bag')))
    assert frame.content.encoding == encoding and frame.content.step == 96
    assert frame.frame_id == 'left'


@pytest.fixture
def dataset(tmp_path):
    """Write three images and annotations of two of them, not in the order of their ids."""
    for index in range(3):
        cv2.imwrite(str(tmp_path / f'{index}.png'), picture(index)[:, :, ::-1])
    images = [{'id': 30 - index, 'file_name': f'{index}.png', 'width': 32, 'height': 24}
              for index in range(3)]
    box = {'bbox': [1, 2, 10, 10], 'area': 100, 'iscrowd': 0, 'category_id': 1}
    (tmp_path / 'coco.json').write_text(json.dumps({
        'info': {'description': 'kept'}, 'images': images,
        'annotations': [{**box, 'id': i, 'image_id': i} for i in (28, 30)],
        'categories': [{'id': 1, 'name': 'person'}]}))
    return tmp_path


@pytest.mark.parametrize('count', [3, 2])
def test_annotations_go_by_stamp(dataset, count):
    source = list(coco_frames(dataset / 'coco.json', dataset))[:count]
    write_bag(dataset / 'bag', source, BagConfig('/eye', rate=10), dataset / 'coco.json')
    content = json.loads((dataset / 'bag' / ANNOTATIONS).read_bytes())
    by_stamp = {image['stamp']: image for image in content['images']}
    found = list(read_frames(str(dataset / 'bag')))
    assert len(found) == len(by_stamp) == count
    for index, frame in enumerate(found):
        image = by_stamp[frame.stamp_ns]
        assert image['id'] == 28 + index and image['topic'] == '/eye'
        original = cv2.imread(str(dataset / image['file_name']))[:, :, ::-1]
        np.testing.assert_array_equal(frame.image, original)
    assert {a['image_id'] for a in content['annotations']} == ({28, 30} if count == 3 else {28})
    assert content['info'] == {'description': 'kept'}


def test_maps_lie_beside_their_annotations(dataset):
    content = json.loads((dataset / 'coco.json').read_text())
    (dataset / 'maps').mkdir()
    for image in content['images']:
        image['maps'] = {'normals': f'maps/{image["file_name"]}'}
        (dataset / image['maps']['normals']).write_bytes(image['file_name'].encode())
    (dataset / 'coco.json').write_text(json.dumps(content))
    source = list(coco_frames(dataset / 'coco.json', dataset))[:2]
    write_bag(dataset / 'bag', source, BagConfig(), dataset / 'coco.json')
    assert {path.name: path.read_text() for path in (dataset / 'bag' / 'maps').iterdir()} == {
        '1.png': '1.png', '2.png': '2.png'}
    (dataset / 'maps' / '1.png').unlink()
    with pytest.raises(FileNotFoundError, match='maps/1.png'):
        write_bag(dataset / 'other', source, BagConfig(), dataset / 'coco.json')
    assert not (dataset / 'other').exists()


def test_what_fails_leaves_nothing_behind(tmp_path):
    def interrupted():
        yield from frames()
        raise KeyboardInterrupt

    out = tmp_path / 'bag'
    with pytest.raises(KeyboardInterrupt):
        write_bag(out, interrupted(), BagConfig())
    with pytest.raises(ValueError, match='bag: there are no images'):
        write_bag(out, [], BagConfig())
    broken = Frame('odd', 0, EncodedImage('png', b'nothing'))
    with pytest.raises(ValueError, match='image odd: .*no image'):
        write_bag(out, [*frames(), broken], BagConfig())
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / 'bag').mkdir()
    with pytest.raises(ValueError, match='bag: exists already'):
        write_bag(tmp_path / 'bag', frames(), BagConfig())


def test_a_missing_image_is_named(dataset):
    (dataset / '1.png').unlink()
    with pytest.raises(ValueError, match='1.png: no such image'):
        list(coco_frames(dataset / 'coco.json', dataset))


@pytest.mark.parametrize('wrong, message', [
    ({'transport': 'theora'}, "transport: 'theora' is not one of raw, compressed"),
    ({'storage': 'tape'}, 'mcap, sqlite3'), ({'encoding': 'yuv'}, 'bgr8, rgb8'),
    ({'topic': 'image'}, 'topic'), ({'topic': '/image/'}, 'topic'),
    ({'rate': 0}, 'rate'), ({'start_ns': 0}, 'start_ns'), ({'start_ns': 2 ** 62}, 'start_ns')])
def test_wrong_settings(wrong, message):
    with pytest.raises(ValueError, match=message):
        BagConfig(**wrong)
