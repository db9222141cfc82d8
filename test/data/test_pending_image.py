# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A view of an image that is read as small as possible is that of the whole image."""

from functools import partial

import cv2
import numpy as np
import pytest

from mcn_ros.data.augment import augment, AugmentConfig, least_reduction
from mcn_ros.data.coco import read_image
from mcn_ros.data.image_cache import ImageCache
from mcn_ros.data.pending_image import PendingImage, UnreadableImage, whole_reduction
from mcn_ros.data.union import Draw, TrainingSet, Union
from mcn_ros.geometry import RESAMPLINGS
from mcn_ros.structures import ClassMap, Sample

SHAPE = 201, 333, 3  # no multiples of anything
INPUT = 64, 64
CONFIG = AugmentConfig(scale=(0.8, 1.2), brightness=0.1)


@pytest.fixture(params=['jpg', 'png'])
def path(request, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    path = tmp_path / f'image.{request.param}'
    smooth = cv2.GaussianBlur(noise, (0, 0), 6)
    cv2.imwrite(str(path), cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX))
    return path


def pending(path, reductions, **settings):
    def decode(reduction):
        reductions.append(reduction)
        return read_image(path, reduction)

    return PendingImage(path, SHAPE, decode, **settings)


def view(image, seed, config=CONFIG, preprocessing='mcn'):
    sample = Sample(image, {'segmentation': ClassMap(np.zeros(SHAPE[:2], np.uint8))})
    return augment(sample, INPUT, np.random.default_rng(seed), config, RESAMPLINGS[preprocessing])


@pytest.mark.parametrize('most, expected', [(0.5, 1), (1, 1), (1.99, 1), (2, 2), (5, 4), (99, 8)])
def test_reductions_are_those_of_decoders(most, expected):
    assert whole_reduction(most) == expected


@pytest.mark.parametrize('reduction', [1, 2, 4, 8])
def test_a_reduced_image_is_the_mean_of_blocks(path, reduction):
    whole, found = read_image(path), read_image(path, reduction)
    assert found.shape == (-(-201 // reduction), -(-333 // reduction), 3)
    rows, columns = 201 // reduction, 333 // reduction
    blocks = whole[:rows * reduction, :columns * reduction].reshape(
        rows, reduction, columns, reduction, 3).mean(axis=(1, 3))
    difference = np.abs(found[:rows, :columns] - blocks)
    assert difference.mean() < 1.5 and difference.max() < 12


@pytest.mark.parametrize('seed', range(4))
def test_a_view_of_fewer_pixels_is_the_same_view(path, seed):
    reductions = []
    found, expected = view(pending(path, reductions), seed), view(read_image(path), seed)
    assert reductions == [4] or reductions == [2]  # of 333 columns, some 64 are seen
    np.testing.assert_array_equal(found.annotations['segmentation'].labels,
                                  expected.annotations['segmentation'].labels)
    difference = np.abs(found.image.astype(int) - expected.image)
    assert difference.mean() < 2


def test_dots_are_not_averaged(path):
    reductions = []
    for config, preprocessing in ((CONFIG, 'centernet'), (AugmentConfig('centernet'), 'mcn'),
                                  (AugmentConfig('centernet'), 'centernet')):
        found = view(pending(path, reductions), 0, config, preprocessing)
        expected = view(read_image(path), 0, config, preprocessing)
        np.testing.assert_array_equal(found.image, expected.image)
    assert reductions == [1, 1, 1]


def test_the_cache_has_what_all_views_can_use(path, tmp_path):
    least = least_reduction(SHAPE[:2], INPUT, CONFIG, RESAMPLINGS['mcn'])
    assert least == pytest.approx(333 / 64 / 1.2)
    reductions, cache = [], ImageCache(tmp_path / 'cache')
    images = [pending(path, reductions, cache=cache, least=whole_reduction(least))
              for _ in range(2)]
    for seed in range(8):
        first, again = (view(image, seed).image for image in images)
        np.testing.assert_array_equal(first, again)
    assert reductions == [4]


@pytest.mark.parametrize('config, preprocessing', [
    (AugmentConfig(focus={'pose': 0.1}), 'mcn'), (AugmentConfig('centernet'), 'mcn'),
    (CONFIG, 'centernet')])
def test_views_that_can_use_every_pixel(config, preprocessing):
    assert least_reduction((2000, 2000), INPUT, config, RESAMPLINGS[preprocessing]) == 1


class Pending:
    """Samples of one image, of which the first has none."""

    def __init__(self, path):
        self.paths = path.with_name('none.jpg'), path, path

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        path = self.paths[index]
        return Sample(PendingImage(path, SHAPE, partial(read_image, path)), {}, str(index))


def test_the_next_image_is_in_the_place_of_one_that_cannot_be_read(path):
    training = TrainingSet(Union([Pending(path)]), INPUT, CONFIG, seed=3)
    sample, (reason,) = training[Draw(0, 5, 0)]
    assert sample.id == '1' and reason.endswith('none.jpg: no such image')
    # It looks as if it had been drawn itself.
    np.testing.assert_array_equal(sample.image, training[Draw(0, 5, 1)].sample.image)


def test_an_unreadable_image_has_an_error_of_its_own(tmp_path):
    image = PendingImage(tmp_path / 'none.jpg', SHAPE, partial(read_image, tmp_path / 'none.jpg'))
    with pytest.raises(UnreadableImage, match='none.jpg: no such image'):
        image.read()
