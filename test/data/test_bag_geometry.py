# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A drawn sequence in a bag: depth, camera models and transforms go with the images."""

import json

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from mcn_ros.data.bag_writer import ANNOTATIONS, BagConfig, coco_frames, write_bag
from mcn_ros.data.synthetic.sequence import write_sequence

SIZE = (32, 48)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('sequence') / 'set'
    write_sequence(path, 3, 4.0, 77 * 10 ** 9, 5, SIZE, maps=('depth',))
    return path


def put(folder, out, **settings):
    """Write a bag; return its messages, (stamp of recording, message), by topic."""
    file = folder / 'annotations.json'
    write_bag(out, coco_frames(file, folder / 'images'), BagConfig(**settings), file)
    found = {}
    with AnyReader([out]) as reader:
        for connection, stamp, raw in reader.messages():
            found.setdefault(connection.topic, []).append(
                (stamp, reader.deserialize(raw, connection.msgtype)))
    return found


def stamp_of(header):
    return header.stamp.sec * 10 ** 9 + header.stamp.nanosec


@pytest.mark.parametrize('transport, image', [
    ('raw', '/eye/image'), ('compressed', '/eye/image/compressed')])
def test_what_a_sequence_knows_becomes_messages(folder, tmp_path, transport, image):
    found = put(folder, tmp_path / 'bag', topic='/eye/image', transport=transport,
                frame_id='optical')
    assert set(found) == {image, '/eye/camera_info', '/eye/depth/image_raw',
                          '/eye/depth/camera_info', '/tf'}
    entries = json.loads((tmp_path / 'bag' / ANNOTATIONS).read_text())['images']
    stamps = [entry['stamp'] for entry in entries]
    assert np.diff(stamps).tolist() == [250_000_000] * 2
    for topic, messages in found.items():
        headers = [message.transforms[0].header if topic == '/tf' else message.header
                   for _, message in messages]
        assert [stamp_of(header) for header in headers] == stamps == [t for t, _ in messages]
        assert {header.frame_id for header in headers} == {
            'map' if topic == '/tf' else 'optical'}
    for index, entry in enumerate(entries):
        assert entry['topic'] == image
        depth, info = (found[f'/eye/depth/{name}'][index][1]
                       for name in ('image_raw', 'camera_info'))
        pixels = depth.data.view(np.uint16).reshape(depth.height, depth.width)
        np.testing.assert_array_equal(
            pixels, cv2.imread(str(folder / entry['maps']['depth']), cv2.IMREAD_UNCHANGED))
        assert (depth.encoding, depth.step, depth.is_bigendian) == ('16UC1', 96, 0)
        lens = entry['camera']
        k = [lens['fx'], 0, lens['cx'], 0, lens['fy'], lens['cy'], 0, 0, 1]
        assert (info.height, info.width, info.k.tolist()) == (*SIZE, k)
        assert info.p.reshape(3, 4)[:, :3].reshape(-1).tolist() == k and not info.d.any()
        np.testing.assert_array_equal(info.k, found['/eye/camera_info'][index][1].k)
        transform, = found['/tf'][index][1].transforms
        place, turn = transform.transform.translation, transform.transform.rotation
        assert transform.child_frame_id == 'optical'
        assert [place.x, place.y, place.z] == entry['camera_pose']['position']
        assert [turn.x, turn.y, turn.z, turn.w] == entry['camera_pose']['orientation']
        assert np.linalg.norm([turn.x, turn.y, turn.z, turn.w]) == pytest.approx(1)


def edited(folder, out, change):
    """Write the annotation file of a sequence again, with other keys of its first image."""
    file = json.loads((folder / 'annotations.json').read_text())
    change(file['images'][0])
    for name in ('images', 'depth'):
        (out / name).symlink_to(folder / name)
    (out / 'annotations.json').write_text(json.dumps(file))
    return out


def test_images_whose_camera_is_nowhere_are_images_only(folder, tmp_path):
    found = put(edited(folder, tmp_path, lambda image: image.pop('camera_pose')), tmp_path / 'bag')
    assert len(found['/camera/image_raw']) == 3 and len(found['/tf']) == 2


@pytest.mark.parametrize('key, value, message', [
    ('camera', {'fx': 1, 'fy': 1, 'cx': 1}, 'image 1: camera: expected cy as a finite number'),
    ('camera', [1, 2, 3, 4], 'image 1: camera: expected fx'),
    ('camera_pose', {'position': [0, 0], 'orientation': [0, 0, 0, 1]},
     'camera_pose: expected position as 3 finite numbers'),
    ('camera_pose', {'position': [0, 0, 0], 'orientation': [0, 0, 0, 'w']}, 'as 4 finite'),
    ('stamp', 1.5, 'image 1: stamp: expected integer nanoseconds'),
    ('stamp', 2 ** 62, 'image 1: stamp'),
    ('maps', {'depth': 'images/00000001.jpg'}, 'images/00000001.jpg: is no map')])
def test_what_is_wrong_is_named(folder, tmp_path, key, value, message):
    broken = edited(folder, tmp_path, lambda image: image.update({key: value}))
    with pytest.raises(ValueError, match=message):
        put(broken, tmp_path / 'bag')
    assert not (tmp_path / 'bag').exists()
