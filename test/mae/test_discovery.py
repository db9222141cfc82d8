# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Communities of an image, its pictures and its scores."""

import cv2
import numpy as np
import pytest
import torch

from mcn_ros.data.coco_file import read_coco
from mcn_ros.data.masks import draw_mask, encode_mask, read_mask
from mcn_ros.mae.discovery import Discovery, DiscoveryConfig, known_segments
from mcn_ros.mae.model import MaskedAutoencoder, SIZES
from mcn_ros.mae.relations import RelationConfig
from mcn_ros.mae.scenes import draw_scene
from mcn_ros.mae.segmentation import SegmentationConfig

ONE_IN = RelationConfig('one_in')


@pytest.fixture(scope='module')
def toy():
    torch.manual_seed(0)
    return MaskedAutoencoder(SIZES['toy']).eval()


def record(segments):
    annotations = [{'id': number, 'image_id': 1, 'category_id': 1, 'iscrowd': int(number == 9),
                    **encode_mask(segments == number)}
                   for number in np.unique(segments)[1:].tolist()]
    height, width = segments.shape
    return read_coco({'images': [{'id': 1, 'file_name': 'a.png', 'height': height,
                                  'width': width}], 'annotations': annotations,
                      'categories': [{'id': 1, 'name': 'thing'}]}).records[0]


def test_segments_are_those_of_the_file():
    segments = np.zeros((16, 20), int)
    segments[2:6, 2:9], segments[8:14, 8:14], segments[:3, 15:] = 1, 2, 9
    found = known_segments(record(segments))
    np.testing.assert_array_equal(found, np.where(segments == 9, 255, segments))


@pytest.mark.parametrize('side, size', [(48, (60, 90)), (64, (48, 48))])
@pytest.mark.parametrize('growth', ['none', 'relations'])
def test_communities_cover_the_image_once(toy, tmp_path, side, size, growth):
    image, segments = draw_scene('coloured', np.random.default_rng(0), 96)
    image = np.ascontiguousarray(image[:size[0], :size[1]])
    segments = np.ascontiguousarray(segments[:size[0], :size[1]])
    config = DiscoveryConfig(side, 48, ONE_IN, SegmentationConfig(1.0, growth), refined=True)
    found = Discovery(toy, config, tmp_path)(image, 'a', record(segments))
    covered = np.zeros(size, np.uint8)
    for annotation in found['annotations']:
        mask = np.zeros(size, np.uint8)
        draw_mask(mask, read_mask(annotation['segmentation'], size, ''), 1)
        covered += mask
        assert mask.sum() == annotation['area'] and 0 < annotation['score'] <= 1
    assert (covered == 1).all()
    assert found['scores'].keys() == {'communities', 'colour', 'distance', 'ceiling', 'all',
                                      'centre'}
    labels = cv2.imread(str(tmp_path / 'foreground' / 'a.png'), cv2.IMREAD_UNCHANGED)
    assert labels.shape == size and set(np.unique(labels)) <= {0, 1, 255}
    if not found['decided']:
        assert (labels == 255).all()
    assert cv2.imread(str(tmp_path / 'growth' / 'a.png')).shape[0] > 200


def test_it_finds_the_same_twice(toy, tmp_path):
    image, _ = draw_scene('coloured', np.random.default_rng(0))
    find = Discovery(toy, DiscoveryConfig(48, 48, RelationConfig(masks=2)), tmp_path)
    assert find(image, 'a') == find(image, 'a')
    assert (tmp_path / 'growth' / 'a.png').is_file() and 'scores' not in find(image, 'a')


def test_revealed_communities(toy, tmp_path):
    image, _ = draw_scene('coloured', np.random.default_rng(0))
    config = DiscoveryConfig(48, 48, ONE_IN, SegmentationConfig(1.0, 'revealed', ratio=1e-9))
    assert len(Discovery(toy, config, tmp_path)(image, 'a')['annotations']) >= 1


@pytest.mark.parametrize('config, words', [
    (DiscoveryConfig(44, 48), 'side: 44 is no multiple of the patch, 8'),
    (DiscoveryConfig(48, 8), 'window: 8'), (DiscoveryConfig(48, 48, sure=2.0), 'sure: 2.0'),
    (DiscoveryConfig(96, 48, ONE_IN, SegmentationConfig(growth='revealed')), 'growth: revealed')])
def test_what_does_not_fit_is_refused(toy, tmp_path, config, words):
    with pytest.raises(ValueError, match=words):
        Discovery(toy, config, tmp_path)
