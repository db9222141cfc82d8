# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Images from folders and bags: two a second, and none that is nearly the last one."""

import json

import cv2
import numpy as np
import pytest

from mcn_ros.data.bag_writer import BagConfig, write_bag
from mcn_ros.data.bags import Bag
from mcn_ros.data.frames import bag_frames, Frame
from mcn_ros.data.image_formats import RawImage
from mcn_ros.mae import sources as module
from mcn_ros.mae.sources import find_sources, Source, take_frames, Variety

TOPIC = BagConfig().full_topic


def frame(level, stamp_s, encoding='rgb8', topic=''):
    pixels = np.full((24, 32, 3), level, np.uint8)
    return Frame(str(round(stamp_s * 10)), round(stamp_s * 1e9),
                 RawImage(encoding, 24, 32, 96, pixels.reshape(-1)), topic=topic)


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    """Write two seconds of a camera that sees the light go on, at 10 Hz."""
    path = tmp_path_factory.mktemp('bags') / 'light'
    write_bag(path, [frame(50 if i < 12 else 150, i / 10) for i in range(20)], BagConfig())
    return path


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    for name in ('a.png', 'b.jpg'):
        cv2.imwrite(str(folder / name), np.full((20, 20, 3), 9, np.uint8))
    return folder


def kept(*frames):
    variety = Variety()
    return [variety.grows_by(each) for each in frames], variety.unreadable


def test_two_a_second_are_looked_at():
    found, _ = kept(*(frame(10 * i, i / 10) for i in range(11)))
    assert [i for i, each in enumerate(found) if each] == [0, 5, 10]


def test_a_frame_has_to_be_another_one_than_the_last_that_was_kept():
    levels = [100, 103, 104, 107, 108, 104]
    assert kept(*(frame(level, i) for i, level in enumerate(levels)))[0] == [
        True, False, True, False, True, True]


def test_each_camera_is_for_itself():
    assert kept(frame(100, 0, topic='a'), frame(100, 0.1, topic='b'),
                frame(200, 0.2, topic='a'))[0] == [True, True, False]


def test_time_may_begin_anew():
    assert kept(frame(100, 50), frame(150, 1), frame(200, 1.2))[0] == [True, True, False]


def test_what_cannot_be_decoded_is_counted():
    assert kept(frame(100, 0, 'unknown'), frame(100, 1)) == ([False, True], 1)


def test_the_frames_of_a_bag_become_files(bag, tmp_path):
    source = take_frames(bag, (), tmp_path / 'taken')
    assert source == Source(str(bag), 2, {TOPIC: 2})
    with Bag(bag) as opened:
        stamps = [each.name for each in bag_frames(opened, [TOPIC])]
    # 0, .5 and 1 s are dark, 1.5 s is bright.
    names = [f'0_{stamps[index]}.jpg' for index in (0, 15)]
    assert sorted(path.name for path in (tmp_path / 'taken').iterdir()) == [*names, 'frames.json']
    levels = [cv2.imread(str(tmp_path / 'taken' / name)).mean() for name in names]
    assert levels == pytest.approx([50, 150], abs=2)


def test_it_is_done_once(bag, tmp_path, monkeypatch):
    source = take_frames(bag, (), tmp_path / 'taken')
    with monkeypatch.context() as patch:
        patch.setattr(module, 'Bag', None)
        assert take_frames(bag, (), tmp_path / 'taken') == source
    (tmp_path / 'taken' / 'frames.json').unlink()  # as if it had been interrupted
    assert take_frames(bag, (), tmp_path / 'taken') == source
    with pytest.raises(ValueError, match='taken: has frames of .*remove it'):
        take_frames(bag, (TOPIC,), tmp_path / 'taken')


def test_folders_and_bags_go_together(bag, folder, tmp_path):
    sources, files = find_sources([str(folder), str(bag)], ('/other', TOPIC), tmp_path)
    assert sources == [Source(str(folder), 2, {}), Source(str(bag), 2, {TOPIC: 2})]
    assert [path.name for path in files[:2]] == ['a.png', 'b.jpg']
    assert [path.parent for path in files[2:]] == [tmp_path / '1_light'] * 2
    assert json.loads((tmp_path / '1_light' / 'frames.json').read_text())['asked']['topics']


@pytest.mark.parametrize('topics, words', [
    (('/other',), "no images on topic '/other' .image topics: "),
    ((), 'is no folder')])
def test_what_is_not_there_is_named(bag, folder, tmp_path, topics, words):
    images = [str(bag)] if topics else [str(bag), str(folder / 'absent')]
    with pytest.raises(ValueError, match=words):
        find_sources(images, topics, tmp_path)
    assert not list(tmp_path.iterdir())


def test_topics_are_of_bags(folder, tmp_path):
    with pytest.raises(ValueError, match='topics: /image, but there is no bag'):
        find_sources([str(folder)], ('/image',), tmp_path)


def test_a_bag_of_nothing_that_can_be_decoded_is_refused(bag, tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'bag_frames', lambda bag, topics: [
        frame(1, 0, 'unknown', topic=TOPIC)])
    with pytest.raises(ValueError, match='no image of .* can be decoded'):
        take_frames(bag, (), tmp_path / 'taken')
