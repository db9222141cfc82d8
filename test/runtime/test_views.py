# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Inputs that an image becomes: fitted, or as it is with room around it; in several scales."""

import cv2
from hypothesis import given, strategies
import numpy as np
import pytest

from mcn_ros.geometry import apply_affine, BORDER, letterbox, RESAMPLINGS, warp_image
from mcn_ros.runtime.views import Views

sizes = strategies.tuples(strategies.integers(1, 900), strategies.integers(1, 900))
scales = strategies.sampled_from([0.5, 0.75, 1.0, 1.25, 1.5])


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@given(sizes, sizes)
def test_by_default_an_image_is_fitted_into_the_input(source, target):
    place = Views().place(source, target)
    np.testing.assert_array_equal(place.affine, letterbox(source, target))
    assert place.size == target


@given(sizes, scales)
def test_at_the_original_resolution_an_image_lies_in_the_middle_of_its_input(source, scale):
    place = Views('original').place(source, (512, 512), scale)
    for side, scaled, room in zip(source, place.scaled, place.size):
        assert scaled == max(1, int(side * scale))
        assert room % 32 == 0 and scaled < room <= scaled + 32  # a multiple gets 32 more
    np.testing.assert_array_equal(place.within[:, :2], np.eye(2))
    left, top = place.within[:, 2]
    assert left == int(left) and top == int(top)
    right, bottom = place.size[1] - left - place.scaled[1], place.size[0] - top - place.scaled[0]
    assert 0 <= left - right <= 1 or 0 <= right - left <= 1
    assert 0 <= top - bottom <= 1 or 0 <= bottom - top <= 1


@pytest.mark.parametrize('preprocessing, border', [('mcn', BORDER), ('centernet', 0)])
@pytest.mark.parametrize('size', [(33, 50), (64, 31), (1, 1)])
def test_the_original_pixels_are_kept(preprocessing, border, size):
    image = noise(*size)
    place = Views('original').place(size, (512, 512))
    drawn = place.draw(image, RESAMPLINGS[preprocessing])
    expected = np.full((*place.size, 3), border, np.uint8)
    left, top = place.within[:, 2].astype(int)
    expected[top:top + size[0], left:left + size[1]] = image
    np.testing.assert_array_equal(drawn, expected)


@given(sizes, scales, strategies.sampled_from(['fixed', 'original']))
def test_scales_are_about_the_middle(source, scale, resolution):
    place = Views(resolution, (scale,)).place(source, (96, 96), scale)
    factor = 1 if resolution == 'original' else 96 / max(source)
    np.testing.assert_allclose(place.affine[:, :2], np.eye(2) * factor * scale)
    middle = apply_affine(place.affine, np.array(source[::-1]) / 2)
    # The scaled image has whole pixels, and its middle is one of them where nothing is fitted.
    assert np.abs(middle - np.array(place.size[::-1]) / 2).max() <= factor + 1e-9


def test_centernet_scales_an_image_before_it_places_it():
    image = noise(50, 70)
    place = Views('fixed').place((50, 70), (64, 64), 1.5)
    drawn = place.draw(image, RESAMPLINGS['centernet'])
    scaled = cv2.resize(image, (105, 75))
    np.testing.assert_array_equal(
        drawn, cv2.warpAffine(scaled, place.within, (64, 64), flags=cv2.INTER_LINEAR))
    # Otherwise in one step.
    np.testing.assert_array_equal(place.draw(image, RESAMPLINGS['mcn']),
                                  warp_image(image, place.affine, (64, 64), BORDER))


@pytest.mark.parametrize('settings, named', [
    ({'resolution': 'half'}, r"^resolution: 'half' \(known: fixed, original\)"),
    ({'scales': ()}, '^scales: '), ({'scales': (1.0, 0.0)}, '^scales: .*0.0'),
    ({'scales': (-1.0,)}, '^scales: '), ({'scales': (float('nan'),)}, '^scales: '),
    ({'scales': (float('inf'),)}, '^scales: ')])
def test_bad_choices(settings, named):
    with pytest.raises(ValueError, match=named):
        Views(**settings)
