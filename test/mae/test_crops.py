# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Batches of parts of images: what is in them, and that they depend on their number alone."""

import cv2
import numpy as np
import pytest
import torch

from mcn_ros.mae.crops import crop_batches, find_images, random_crop


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Return a folder of three images, whose colours tell them apart."""
    folder = tmp_path_factory.mktemp('images')
    for number in range(3):
        image = np.zeros((20, 40, 3), np.uint8)
        image[..., 2 - number] = 200  # OpenCV's order
        cv2.imwrite(str(folder / f'{number}.png'), image)
    return folder


def batches(folder, first=0, workers=2, seed=0):
    return list(crop_batches(find_images([str(folder)]), 4, 16, 0.2, seed, range(first, 5),
                             workers))


def test_a_batch_is_of_rgb_images_of_the_size(folder):
    found = torch.cat(batches(folder))
    assert found.shape == (20, 3, 16, 16) and found.dtype == torch.uint8
    colours = {tuple(image.amax(dim=(1, 2)).tolist()) for image in found}
    assert colours == {(200, 0, 0), (0, 200, 0), (0, 0, 200)}


def test_a_batch_depends_on_its_number_and_the_seed_alone(folder):
    whole = batches(folder)
    assert all(map(torch.equal, whole[3:], batches(folder, first=3, workers=1)))
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(whole[0], batches(folder, seed=1)[0])


def test_a_part_is_as_large_as_it_should_be():
    image = np.zeros((100, 100, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(100), np.arange(100)[:, None]
    mirrored, areas = 0, []
    for seed in range(200):
        part = random_crop(image, 100, 0.2, np.random.default_rng(seed)).astype(int)
        width, height = part[50, -1, 0] - part[50, 0, 0], part[-1, 50, 1] - part[0, 50, 1]
        mirrored += width < 0
        areas.append(abs(width) * height / 1e4)
        assert height > 0  # never upside down
        assert 0.6 < abs(width) / height < 1.6
    assert 60 < mirrored < 140
    assert 0.14 < min(areas) < 0.3 and 0.8 < max(areas) <= 1


def test_an_image_that_cannot_be_read_is_named(folder, tmp_path):
    (tmp_path / 'broken.png').write_text('none')
    with pytest.raises(ValueError, match='broken.png'):
        batches(tmp_path)


def test_folders_without_images_are_refused(folder, tmp_path):
    assert len(find_images([str(folder), str(folder)])) == 6
    with pytest.raises(ValueError, match='has no images'):
        find_images([str(folder), str(tmp_path)])
    with pytest.raises(ValueError, match='absent.* is no folder'):
        find_images([str(tmp_path / 'absent')])
