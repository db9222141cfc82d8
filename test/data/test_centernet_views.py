# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Views as CenterNet draws them: crops, mirror images and colours, by the rules written out."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from mcn_ros.data.augment import augment, AugmentConfig
from mcn_ros.data.batch import collate
from mcn_ros.data.centernet_views import (
    AXES, CHANGES, color_affine, crop_across, FLIP, margin, random_colors, random_place, SCALES)
from mcn_ros.data.recolor import mean_brightness, recolor
from mcn_ros.geometry import apply_affine, RESAMPLINGS
from mcn_ros.structures import ClassMap, IGNORE, Instances, Poses, Sample
from mcn_ros.tasks.centernet import CenterNetDetectionTask
from mcn_ros.vocabulary import COCO_SKELETON

SIZE, INPUT = (90, 130), (64, 64)
CONFIG = AugmentConfig(style='centernet')
SEEDS = pytest.mark.parametrize('seed', range(8))
CENTERNET = RESAMPLINGS['centernet']


def make_sample(seed=0):
    rng = np.random.default_rng(seed)
    boxes = rng.uniform(0, 40, (5, 4)).astype(np.float32)
    boxes[:, 2:] += 45
    joints = rng.uniform(0, 90, (5, 17, 2)).astype(np.float32)
    ones = np.ones(5, np.float32)
    image = cv2.GaussianBlur(rng.integers(0, 256, (*SIZE, 3), np.uint8), (5, 5), 2)
    return Sample(image, {
        'detection': Instances(boxes, np.arange(5), ones, np.arange(5) == 0),
        'pose': Poses(boxes, ones, joints, np.ones((5, 17), np.float32), np.arange(5) == 0),
        'segmentation': ClassMap((image[..., 0] > 128).astype(np.uint8))}, 'one')


def make_view(seed, sample=None, resampling=CENTERNET):
    sample = make_sample() if sample is None else sample
    return augment(sample, INPUT, np.random.default_rng(seed), CONFIG, resampling)


def colored(view):
    """Return the picture (H, W, 3) float32 that is learned from."""
    images = torch.from_numpy(view.image[None]).permute(0, 3, 1, 2)
    return recolor(images, torch.from_numpy(view.colors[None]))[0].permute(1, 2, 0).numpy()


def change_colors(image, changes, light):
    return colored(Sample(image, {}, colors=color_affine(mean_brightness(image), changes, light)))


def draws(seed):
    """Return what a view of a sample is drawn from."""
    rng = np.random.default_rng(seed)
    center, width, mirrored = random_place(SIZE, rng)
    return center, INPUT[1] / width, mirrored, *random_colors(rng)


def test_some_of_the_views_are_mirror_images():
    assert {draws(seed)[2] for seed in range(8)} == {False, True}


@SEEDS
def test_points_are_mirrored_and_cropped(seed):
    (x, y), factor, mirrored, _, _ = draws(seed)
    sample, view = make_sample(), make_view(seed)

    def place(points):
        across = points[..., 0] - x
        # Mirroring at the last pixel and then cropping around the mirror image of the middle.
        return np.stack([32 + factor * (-across if mirrored else across),
                         32 + factor * (points[..., 1] - y)], axis=-1)

    swap = list(COCO_SKELETON.flip) if mirrored else list(range(17))
    np.testing.assert_allclose(view.annotations['pose'].keypoints,
                               place(sample.annotations['pose'].keypoints)[:, swap], atol=1e-4)
    corners = place(sample.annotations['detection'].boxes.reshape(5, 2, 2))
    expected = np.hstack([corners.min(axis=1), corners.max(axis=1)])
    for name in ('detection', 'pose'):
        np.testing.assert_allclose(view.annotations[name].boxes, expected, atol=1e-4)
        # All of them, in their order: what is outside of the view counts for the limits.
        np.testing.assert_array_equal(view.annotations[name].crowd, np.arange(5) == 0)


@SEEDS
def test_the_image_is_that_of_bilinear_interpolation_between_dots(seed):
    (x, y), factor, mirrored, changes, light = draws(seed)
    image, view = make_sample().image, colored(make_view(seed))
    padded = np.pad(image.astype(float), ((1, 1), (1, 1), (0, 0)))
    across, down = np.meshgrid(np.arange(64), np.arange(64))
    columns = x + (across - 32) / factor * (-1 if mirrored else 1)
    rows = y + (down - 32) / factor
    columns, rows = np.clip(columns, -1, 129.999) + 1, np.clip(rows, -1, 89.999) + 1
    left, top = columns.astype(int), rows.astype(int)
    right, bottom = (columns - left)[..., None], (rows - top)[..., None]
    expected = ((padded[top, left] * (1 - right) + padded[top, left + 1] * right) * (1 - bottom)
                + (padded[top + 1, left] * (1 - right) + padded[top + 1, left + 1] * right)
                * bottom)
    expected = change_colors(expected.astype(np.float32), changes, light)
    # OpenCV interpolates in steps of 1/32 of a pixel and rounds.
    assert np.abs(view - expected).mean() < 1.0 and np.abs(view - expected).max() < 12
    assert view.dtype == np.float32 and view.shape == (*INPUT, 3)


def test_a_mirror_image_is_the_view_of_the_mirrored_image():
    seed = next(seed for seed in range(8) if draws(seed)[2])
    (x, y), factor, _, changes, light = draws(seed)
    flipped = np.ascontiguousarray(make_sample().image[:, ::-1])
    affine = np.array([[factor, 0, 32 - factor * (129 - x)], [0, factor, 32 - factor * y]])
    expected = cv2.warpAffine(flipped, affine, INPUT[::-1])
    np.testing.assert_allclose(colored(make_view(seed)),
                               change_colors(expected, changes, light), atol=1e-3)


@pytest.mark.parametrize('resampling', RESAMPLINGS.values(), ids=RESAMPLINGS)
def test_labels_stay_on_the_image(resampling):
    image = np.zeros((*SIZE, 3), np.uint8)
    image[30:60, 40:90] = 255
    sample = Sample(image, {'segmentation': ClassMap(image[..., 0] // 255)})
    for seed in range(4):
        view = make_view(seed, sample, resampling)
        labels, light = view.annotations['segmentation'].labels, colored(view).mean(axis=2)
        known = labels != IGNORE
        if 50 < (labels == 1).sum() < known.sum() - 50:
            white = light > (light[labels == 1].mean() + light[labels == 0].mean()) / 2
            assert (white == (labels == 1))[known].mean() > 0.93


def test_a_crop_fits_across():
    affine = crop_across(np.array([100.0, 70.0]), 50.0, (96, 64))
    corners = np.array([[100, 70], [75, 70], [125, 70], [100, 45]])
    np.testing.assert_allclose(apply_affine(affine, corners.astype(float)),
                               [[32, 48], [0, 48], [64, 48], [32, 16]], atol=1e-9)


@pytest.mark.parametrize('side, expected', [
    (1, 0), (2, 0), (3, 1), (4, 1), (128, 32), (129, 64), (256, 64), (257, 128), (640, 128)])
def test_margins(side, expected):
    assert margin(side) == expected
    # The first half of 128, or its half and so on, that leaves something in between.
    halves = [128 // 2 ** k for k in range(9)]
    assert margin(side) == next(half for half in halves if side - half > half)


def test_crops_are_all_that_they_may_be():
    rng = np.random.default_rng(0)
    found = [random_place((40, 300), rng) for _ in range(600)]
    centers = np.array([center for center, _, _ in found])
    assert centers.min(axis=0).tolist() == [128, 16] and centers.max(axis=0).tolist() == [171, 23]
    assert {round(width / 300, 6) for _, width, _ in found} == set(SCALES)
    assert abs(np.mean([mirrored for _, _, mirrored in found]) - FLIP) < 0.1


@SEEDS
def test_colours_change_one_after_the_other(seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (8, 9, 3), np.uint8)
    changes, light = random_colors(rng)
    assert sorted(name for name, _ in changes) == sorted(CHANGES)
    assert all(0.6 <= factor <= 1.4 for _, factor in changes)
    colors = image / 255
    gray = (colors @ [0.299, 0.587, 0.114])[..., None]
    for name, factor in changes:
        other = {'brightness': 0, 'contrast': gray.mean(), 'saturation': gray}[name]
        colors = factor * colors + (1 - factor) * other
    result = change_colors(image, changes, light)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result / 255, colors + light, atol=1e-5)


def test_colours_are_not_cut_off():
    white = np.full((4, 4, 3), 255, np.uint8)
    assert change_colors(white, [('brightness', 1.4)], np.zeros(3)).min() == pytest.approx(357)
    assert change_colors(0 * white, [], np.full(3, -0.1)).max() == pytest.approx(-25.5)


def test_light_varies_along_its_axes():
    np.testing.assert_allclose(AXES.T @ AXES, np.eye(3), atol=1e-5)
    rng = np.random.default_rng(0)
    lights = np.array([random_colors(rng)[1] for _ in range(2000)]) @ AXES
    np.testing.assert_allclose(lights.std(axis=0), [0.02142, 0.001818, 0.0003416], rtol=0.1)


def test_what_is_labelled_does_not_change_the_view():
    one, two = make_view(3), make_view(3, replace(make_sample(), annotations={}))
    np.testing.assert_array_equal(colored(one), colored(two))
    assert one.id == 'one' and not two.annotations
    assert (colored(make_view(4)) != colored(one)).any()


def test_views_make_a_batch():
    views = [make_view(seed) for seed in range(2)]
    batch = collate(views, {'detection': CenterNetDetectionTask(tuple('abcde'))})
    assert batch.images.dtype == torch.uint8  # a fourth of what is learned from
    batch = batch.to('cpu')
    assert batch.images.dtype == torch.float32 and batch.colors is None
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(batch.images.permute(0, 2, 3, 1),
                                  np.stack([colored(view) for view in views]))
    assert batch.targets['detection']['heatmap_labelled'].shape == (2, 5)


def test_other_settings_are_refused():
    with pytest.raises(ValueError, match='^style: centernet has its own numbers, leave out '
                                         'scale, flip$'):
        AugmentConfig(style='centernet', flip=0.4, scale=(0.5, 0.6))
    assert AugmentConfig(style='centernet', flip=0.5) == CONFIG
