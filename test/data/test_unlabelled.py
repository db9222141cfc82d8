# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Images of bags and folders, described as data of which nothing is labelled."""

import cv2
import numpy as np
import pytest

from mcn_ros.data import unlabelled as module
from mcn_ros.data.bag_writer import BagConfig, write_bag
from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.frames import Frame
from mcn_ros.data.image_formats import EncodedImage, RawImage
from mcn_ros.data.unlabelled import unlabelled
from mcn_ros.tasks import build_tasks


def picture(index):
    """Return a smooth picture, which JPEG keeps nearly as it is."""
    ramp = np.linspace(0, 200, 32, dtype=np.float32)[None, :, None]
    return np.broadcast_to(ramp + 10 * index, (24, 32, 3)).astype(np.uint8).copy()


def file(index, suffix):
    return cv2.imencode(suffix, picture(index)[..., ::-1])[1].tobytes()


@pytest.fixture(scope='module')
def bags(tmp_path_factory):
    """Write bags of five images: name -> path."""
    folder = tmp_path_factory.mktemp('bags')
    raw = [Frame(str(i), i * 10 ** 8, RawImage('rgb8', 24, 32, 96, picture(i).reshape(-1)))
           for i in range(5)]
    paths = {}
    for storage in ('mcap', 'sqlite3'):
        paths[f'raw {storage}'] = folder / f'raw_{storage}'
        write_bag(paths[f'raw {storage}'], raw, BagConfig(storage=storage))
    for suffix in ('.jpg', '.png'):
        files = [Frame(str(i), i * 10 ** 8, EncodedImage(suffix[1:], file(i, suffix)))
                 for i in range(5)]
        paths[suffix] = folder / f'packed_{suffix[1:]}'
        write_bag(paths[suffix], files, BagConfig(transport='compressed'))
    return paths


def read(content, images):
    """Return the images of a description, which says that nothing is labelled."""
    dataset = CocoDataset(content, images, build_tasks({'detection': {}, 'pose': {}}))
    assert not any(dataset[i].annotations for i in range(len(dataset)))
    return [dataset[i].image for i in range(len(dataset))]


@pytest.mark.parametrize('kind, suffix', [
    ('raw mcap', '.jpg'), ('raw sqlite3', '.jpg'), ('.jpg', '.jpg'), ('.png', '.png')])
def test_every_nth_image_of_a_bag_is_written(tmp_path, bags, kind, suffix):
    content, images = unlabelled(str(bags[kind]), tmp_path / 'new', every=2)
    assert images == tmp_path / 'new'
    names = [entry['file_name'] for entry in content['images']]
    assert sorted(path.name for path in images.iterdir()) == names
    assert [entry['id'] for entry in content['images']] == [1, 2, 3]
    for index, image in zip((0, 2, 4), read(content, images), strict=True):
        assert np.abs(image.astype(int) - picture(index)).max() < 8
    if kind == suffix:
        assert [(images / name).read_bytes() for name in names] == [
            file(index, suffix) for index in (0, 2, 4)]


def test_a_second_run_writes_what_is_missing_only(tmp_path, bags, monkeypatch):
    content, images = unlabelled(str(bags['raw mcap']), tmp_path)
    paths = [images / entry['file_name'] for entry in content['images']]
    before = [path.read_bytes() for path in paths]
    paths[3].unlink()
    made, encode = [], module._encoded
    monkeypatch.setattr(module, '_encoded', lambda frame: made.append(frame.name) or encode(frame))
    assert unlabelled(str(bags['raw mcap']), tmp_path) == (content, images)
    assert made == [paths[3].stem] and [path.read_bytes() for path in paths] == before


def test_images_of_a_folder_stay_where_they_are(tmp_path):
    for index in (10, 2):
        (tmp_path / f'{index}.png').write_bytes(file(0, '.png'))
    content, images = unlabelled(str(tmp_path), tmp_path / 'new')
    assert images == tmp_path and not (tmp_path / 'new').exists()
    assert [entry['file_name'] for entry in content['images']] == ['2.png', '10.png']
    assert len(read(content, images)) == 2


def test_raw_colours_in_a_file_become_a_picture(tmp_path):
    mosaic = np.full((24, 32), 90, np.uint8)
    mosaic[::2, ::2] = 200
    frame = Frame('0', 0, EncodedImage('bayer_rggb8; png compressed ',
                                       cv2.imencode('.png', mosaic)[1].tobytes()))
    data, suffix = module._encoded(frame)
    seen = EncodedImage(suffix, data).to_rgb()
    assert np.abs(seen.astype(int) - frame.image).max() < 12 and seen[12, 16, 0] > 150


@pytest.mark.parametrize('make, what', [
    (lambda folder: 'SYNTHETIC', 'has no end'),
    (lambda folder: str(folder), 'has no images'),
    (lambda folder: str(folder / 'no'), 'does not exist'),
    (lambda folder: (folder / '1.png').write_bytes(b'no') and str(folder), '1.png: is not an im')])
def test_other_sources_are_refused(tmp_path, make, what):
    with pytest.raises(ValueError, match=what):
        unlabelled(make(tmp_path), tmp_path / 'new')
