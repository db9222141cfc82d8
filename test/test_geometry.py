# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Affines are maps between continuous frames; warped images agree with warped points."""

import math

import cv2
from hypothesis import given, strategies
import numpy as np
import pytest

from mcn_ros.geometry import (
    apply_affine, BORDER, compose, crop, Grid, invert, letterbox, mirrors, resample, Resampling,
    RESAMPLINGS, scaling, turn, warp_image)

IDENTITY = np.eye(2, 3)

sizes = strategies.tuples(strategies.integers(1, 3000), strategies.integers(1, 3000))
small_sizes = strategies.tuples(strategies.integers(1, 90), strategies.integers(1, 90))
coordinates = strategies.floats(-1e3, 1e3)
affines = strategies.builds(
    crop, strategies.tuples(coordinates, coordinates), strategies.floats(0.05, 20),
    small_sizes, strategies.floats(-180, 180), strategies.booleans())


def noise(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def smooth(height, width, affine=IDENTITY):
    """Sample a smooth scene at the pixel centres of a frame; ``affine``: scene -> frame."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    x, y = apply_affine(invert(affine), np.stack([columns, rows], axis=-1)).transpose(2, 0, 1)
    scene = 128 + 60 * np.sin(x / 25) + 60 * np.cos(y / 20)
    return np.rint(scene).astype(np.uint8)


def corners(size):
    height, width = size
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], float)


@given(affines, affines, strategies.lists(strategies.tuples(coordinates, coordinates), min_size=1))
def test_compose_applies_the_first_then_the_second(first, second, points):
    points = np.array(points)
    expected = apply_affine(second, apply_affine(first, points))
    np.testing.assert_allclose(apply_affine(compose(second, first), points), expected, atol=1e-6)


@given(affines)
def test_inverse(affine):
    np.testing.assert_allclose(compose(invert(affine), affine), IDENTITY, atol=1e-7)
    np.testing.assert_allclose(compose(affine, invert(affine)), IDENTITY, atol=1e-5)


@pytest.mark.parametrize('kind', [np.uint8, np.uint16, np.float32])
@given(small_sizes, strategies.booleans())
def test_a_mirror_image_is_the_flipped_image(kind, size, squares):
    image = noise(*size).astype(kind)
    mirror = np.array([[-1.0, 0, size[1] - (not squares)], [0, 1, 0]])
    dots = np.array([[-1.0, 0, size[1] - 1], [0, 1, 0]])  # as OpenCV counts
    expected = cv2.warpAffine(image, dots, size[::-1], flags=cv2.INTER_LINEAR)
    assert (resample(image, mirror, size, Resampling(7, squares)) == expected).all()
    assert (expected == image[:, ::-1]).all()
    if squares:
        assert (warp_image(image[..., 0], mirror, size, 7, nearest=True)
                == expected[..., 0]).all()


def test_a_mirror_of_another_size_has_a_border():
    image = noise(4, 6)
    wide = warp_image(image, np.array([[-1.0, 0, 6], [0, 1, 0]]), (4, 7), 7)
    assert (wide[:, :6] == image[:, ::-1]).all() and (wide[:, 6] == 7).all()
    moved = warp_image(image, np.array([[-1.0, 0, 5], [0, 1, 0]]), (4, 6), 7)
    assert (moved[:, :5] == image[:, 4::-1]).all() and (moved[:, 5] == 7).all()


def test_points_keep_type_shape_and_nan():
    points = np.array([[[1, 2], [np.nan, np.nan]]], np.float32)
    mapped = apply_affine(scaling(2), points)
    assert mapped.dtype == np.float32
    np.testing.assert_array_equal(mapped, [[[2, 4], [np.nan, np.nan]]])
    assert apply_affine(scaling(2), np.zeros((0, 2))).shape == (0, 2)


@given(sizes, sizes)
def test_letterbox_fits_the_whole_image_centred_and_touching(source, target):
    placed = apply_affine(letterbox(source, target), corners(source))
    low, high = placed.min(axis=0), placed.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, [target[1] / 2, target[0] / 2], atol=1e-6)
    assert (low > -1e-6).all() and (high < [target[1] + 1e-6, target[0] + 1e-6]).all()
    gaps = np.array([target[1], target[0]]) - (high - low)
    assert gaps.min() == pytest.approx(0, abs=1e-6)
    assert (high - low)[0] * source[0] == pytest.approx((high - low)[1] * source[1])


@given(sizes)
def test_letterbox_of_the_same_size_is_the_identity(size):
    np.testing.assert_allclose(letterbox(size, size), IDENTITY, atol=1e-9)


@given(small_sizes)
def test_crop_puts_its_centre_in_the_middle(target):
    center, factor = (13.5, -4.0), 1.7
    affine = crop(center, factor, target, degrees=33, flip=True)
    np.testing.assert_allclose(apply_affine(affine, np.array(center)),
                               [target[1] / 2, target[0] / 2], atol=1e-9)
    assert abs(np.linalg.det(affine[:, :2])) == pytest.approx(factor ** 2)


def test_crop_turns_clockwise_and_then_mirrors():
    right = np.array([1.0, 0.0])
    quarter = crop((0, 0), 1, (0, 0), degrees=90)
    np.testing.assert_allclose(apply_affine(quarter, right), [0, 1], atol=1e-12)  # y is down
    eighth = crop((0, 0), 1, (0, 0), degrees=45, flip=True)
    np.testing.assert_allclose(apply_affine(eighth, right), [-math.sqrt(.5), math.sqrt(.5)])


@given(affines, affines)
def test_two_mirrors_are_none(first, second):
    assert mirrors(compose(second, first)) == (mirrors(first) != mirrors(second))
    assert mirrors(invert(first)) == mirrors(first)


def test_identity_leaves_an_image_as_it_is():
    image = noise(23, 31)
    np.testing.assert_array_equal(warp_image(image, IDENTITY, (23, 31), BORDER), image)
    np.testing.assert_array_equal(warp_image(image, IDENTITY, (23, 31), nearest=True), image)


@pytest.mark.parametrize('nearest', [False, True])
@pytest.mark.parametrize('x, y', [(3, 0), (0, -2), (-5, 4)])
def test_whole_pixel_translation_is_exact(nearest, x, y):
    image = noise(20, 30)
    moved = warp_image(image, np.array([[1.0, 0, x], [0, 1.0, y]]), (20, 30), BORDER, nearest)
    expected = np.full_like(image, BORDER)
    expected[max(0, y):20 + min(0, y), max(0, x):30 + min(0, x)] = (
        image[max(0, -y):20 - max(0, y), max(0, -x):30 - max(0, x)])
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize('nearest', [False, True])
def test_flip_is_exact_and_twice_is_nothing(nearest):
    image = noise(20, 31)
    affine = crop((31 / 2, 10), 1, (20, 31), flip=True)
    flipped = warp_image(image, affine, (20, 31), nearest=nearest)
    np.testing.assert_array_equal(flipped, image[:, ::-1])
    np.testing.assert_array_equal(warp_image(flipped, affine, (20, 31), nearest=nearest), image)


def test_whole_factors_repeat_nearest_labels():
    labels = noise(7, 9)[..., 0]
    enlarged = warp_image(labels, scaling(4), (28, 36), nearest=True)
    np.testing.assert_array_equal(enlarged, labels.repeat(4, axis=0).repeat(4, axis=1))


@pytest.mark.parametrize('factor', [2, 3, 5])
def test_whole_reductions_are_means_of_blocks(factor):
    image = noise(12 * factor, 10 * factor, seed=factor)
    reduced = warp_image(image, scaling(1 / factor), (12, 10))
    means = image.reshape(12, factor, 10, factor, 3).mean(axis=(1, 3))
    assert np.abs(reduced - means).max() <= 0.51


@given(strategies.floats(0.07, 3), strategies.floats(-20, 20), strategies.booleans(),
       strategies.floats(0, 1), strategies.floats(0, 1))
def test_image_and_points_move_together(factor, degrees, flip, x, y):
    source, target = (240, 320), (60, 80)
    affine = crop((60 + 200 * x, 60 + 120 * y), factor, target, degrees, flip)
    warped = warp_image(smooth(*source), affine, target, border=0)
    expected = smooth(*target, affine)
    # Compare where the pixel's whole footprint lies inside of the source.
    rows, columns = np.mgrid[:target[0], :target[1]] + 0.5
    at = apply_affine(invert(affine), np.stack([columns, rows], axis=-1))
    margin = 2 / factor + 1
    inside = ((at > margin) & (at < [320 - margin, 240 - margin])).all(axis=-1)
    error = np.abs(warped.astype(int) - expected)[inside]
    # Averaging over the footprint flattens the waves a little.
    assert error.max(initial=0) <= (3 if factor > 0.2 else 8)


def test_strong_reduction_looks_at_every_pixel():
    image = np.zeros((800, 800), np.uint8)
    image[::8] = 240  # bilinear sampling alone would see all of these lines or none
    reduced = warp_image(image, scaling(0.09), (72, 72))
    assert abs(reduced.astype(float)[1:-1, 1:-1].mean() - 30) < 3
    assert np.ptp(reduced[1:-1, 1:-1]) < 40


def test_border_surrounds_a_letterboxed_image():
    image = np.full((40, 80, 3), 200, np.uint8)
    boxed = warp_image(image, letterbox((40, 80), (64, 64)), (64, 64), BORDER)
    assert (boxed[:15] == BORDER).all() and (boxed[49:] == BORDER).all()
    assert (boxed[17:47] == 200).all()
    assert warp_image(image[..., 0], letterbox((40, 80), (64, 64)), (64, 64), 255).max() == 255


@given(small_sizes, small_sizes)
def test_every_pixel_has_a_counterpart_in_the_letterbox(source, target):
    # What is predicted for the input covers each camera pixel: no border shows on the way back.
    labels = np.ones(target, np.uint8)
    back = warp_image(labels, invert(letterbox(source, target)), source, border=255, nearest=True)
    assert back.shape == source and (back == 1).all()


def test_opencv_counts_from_pixel_centres():
    # The reason for the half pixel in warp_image, as a fact about the library.
    image = np.arange(8, dtype=np.float32)[None].repeat(8, axis=0)
    naive = cv2.warpAffine(image, scaling(2), (16, 16))
    ours = warp_image(image, scaling(2), (16, 16))
    assert naive[8, 8] == 4.0  # column 8 has its centre at 8.5, of 4.25, which is 3.75 of pixels
    assert ours[8, 8] == 3.75


def dots(image, affine, size):
    """Interpolate between pixels that are dots at whole numbers, black around them, one by one."""
    result, back = np.zeros((*size, 3)), invert(affine)
    around = np.pad(image.astype(float), [(1, 1), (1, 1), (0, 0)])
    for row, column in np.ndindex(size):
        x, y = apply_affine(back, np.array([column, row], float)) + 1
        if not (0 <= x < image.shape[1] + 1 and 0 <= y < image.shape[0] + 1):
            continue
        left, top = int(x), int(y)
        upper, lower = ((1 - x + left) * line[left] + (x - left) * line[left + 1]
                        for line in around[top:top + 2])
        result[row, column] = (1 - y + top) * upper + (y - top) * lower
    return result


@pytest.mark.parametrize('affine', [
    letterbox((30, 40), (24, 24)), letterbox((9, 14), (24, 24)), scaling(0.25),
    crop((17.3, 11.2), 0.83, (24, 24), degrees=20, flip=True)])
def test_centernet_takes_pixels_for_dots(affine):
    image = smooth(30, 40)[..., None].repeat(3, axis=2)
    found = resample(image, affine, (24, 24), RESAMPLINGS['centernet'])
    # OpenCV interpolates between thirty-seconds of pixels.
    assert np.abs(found - dots(image, affine, (24, 24))).max() <= 5


def test_other_inputs_are_warped_images():
    image, affine = noise(40, 30), letterbox((40, 30), (24, 24))
    np.testing.assert_array_equal(resample(image, affine, (24, 24), RESAMPLINGS['mcn']),
                                  warp_image(image, affine, (24, 24), BORDER))
    np.testing.assert_array_equal(resample(image, affine, (24, 24), Resampling(7)),
                                  warp_image(image, affine, (24, 24), 7))


def test_grid():
    assert Grid.of_input((64, 96)) == Grid(16, 24, 4)
    assert Grid.of_input((64, 96), 8) == Grid(8, 12, 8)
    with pytest.raises(ValueError, match=r'\(62, 64\) is not a multiple of the stride 4'):
        Grid.of_input((62, 64))


@pytest.mark.parametrize('nearest', [False, True])
@pytest.mark.parametrize('degrees', [0, 25])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
def test_the_edge_goes_on_beyond_the_image(dtype, degrees, nearest):
    image = np.full((9, 12), 200, dtype)
    affine = crop((6, 4.5), 0.7, (20, 30), degrees)
    warped = warp_image(image, affine, (20, 30), 'edge', nearest)
    assert warped.dtype == dtype and (warped == 200).all()
    assert not (warp_image(image, affine, (20, 30), 0, nearest) == 200).all()


@pytest.mark.parametrize('dtype,border', [(np.uint16, 65535), (np.float32, np.nan)])
@pytest.mark.parametrize('degrees', [0, 90])
def test_maps_of_other_types_are_picked_as_they_are(dtype, border, degrees):
    image = np.random.default_rng(0).integers(0, 60000, (8, 8)).astype(dtype)
    image[2, 3] = border
    warped = warp_image(image, crop((4, 4), 1, (10, 10), degrees), (10, 10), border, nearest=True)
    expected = np.pad(image, 1, constant_values=border)
    np.testing.assert_array_equal(warped, np.rot90(expected, -degrees // 90))


@given(affines)
def test_the_turn_of_an_affine_keeps_lengths(affine):
    turned = turn(affine)
    np.testing.assert_allclose(turned @ turned.T, np.eye(2), atol=1e-9)
    scale = math.sqrt(abs(np.linalg.det(affine[:, :2])))
    np.testing.assert_allclose(scale * turned, affine[:, :2], atol=1e-9)


def test_what_stretches_has_no_turn():
    with pytest.raises(ValueError, match='stretches'):
        turn(np.array([[2.0, 0, 0], [0, 1.0, 0]]))
