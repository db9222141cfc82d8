# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Random views: image and annotations stay together, and neutral settings change nothing."""

from dataclasses import replace

from hypothesis import given, strategies
import numpy as np
import pytest

from mcn_ros.data.augment import augment, AugmentConfig, jitter_colors, NEUTRAL
from mcn_ros.geometry import BORDER, letterbox, RESAMPLINGS
from mcn_ros.structures import ClassMap, IGNORE, Instances, Poses, Sample
from mcn_ros.vocabulary import COCO_SKELETON

SIZE = (96, 128)
INPUT = (64, 64)

seeds = strategies.integers(0, 2 ** 32 - 1)


def make_sample(seed=0):
    """Return a dark image with one white box, the box, its corners as joints, and its mask."""
    rng = np.random.default_rng(seed)
    left, top = rng.integers(4, 60, 2)
    right, bottom = left + rng.integers(16, 60), top + rng.integers(16, 30)
    image = np.full((*SIZE, 3), 20, np.uint8)
    image[top:bottom, left:right] = 240
    labels = (image[..., 0] == 240).astype(np.uint8)
    box = np.array([[left, top, right, bottom]], np.float32)
    joints = np.full((1, 17, 2), np.nan, np.float32)
    # left_eye and right_eye, in the corners
    joints[0, 1], joints[0, 2] = (left, top), (right, bottom)
    scores = np.isfinite(joints[..., 0]).astype(np.float32)
    ones = np.ones(1, np.float32)
    return Sample(image, {
        'detection': Instances(box, np.zeros(1, np.int64), ones, np.zeros(1, bool)),
        'pose': Poses(box, ones, joints, scores, np.zeros(1, bool)),
        'segmentation': ClassMap(labels)}, 'one')


def view(sample, seed=0, size=INPUT, **changes):
    return augment(sample, size, np.random.default_rng(seed), replace(NEUTRAL, **changes))


def test_neutral_settings_change_nothing():
    sample = make_sample()
    result = view(sample, size=SIZE)
    np.testing.assert_array_equal(result.image, sample.image)
    np.testing.assert_array_equal(result.annotations['detection'].boxes,
                                  sample.annotations['detection'].boxes)
    np.testing.assert_array_equal(result.annotations['pose'].keypoints,
                                  sample.annotations['pose'].keypoints)
    np.testing.assert_array_equal(result.annotations['segmentation'].labels,
                                  sample.annotations['segmentation'].labels)
    assert result.id == 'one'


def test_neutral_settings_are_what_inference_sees():
    sample = make_sample()
    seen = sample.warp(letterbox(SIZE, INPUT), INPUT, RESAMPLINGS['mcn'])
    np.testing.assert_array_equal(view(sample).image, seen.image)


def test_neutral_views_keep_everything_and_have_a_gray_border():
    result = view(make_sample())
    assert (result.image[:8] == BORDER).all() and (result.image[-8:] == BORDER).all()
    labels = result.annotations['segmentation'].labels
    assert (labels[:8] == IGNORE).all() and (labels[8:-8] != IGNORE).all()


@given(seeds)
def test_annotations_stay_on_the_image(seed):
    config = AugmentConfig(scale=(0.6, 1.6), degrees=0.0, min_visible=0.0)
    result = augment(make_sample(seed), INPUT, np.random.default_rng(seed), config)
    luminance = result.image.mean(axis=2)
    labels = result.annotations['segmentation'].labels
    # Of the image proper, what is lighter than the middle of its range is the white box.
    inside = luminance[labels != IGNORE]
    white = luminance > (inside.min() + inside.max()) / 2
    boxes = result.annotations['detection'].boxes
    if (labels == 1).sum() < 4:
        return
    assert (white == (labels == 1))[labels != IGNORE].mean() > 0.93
    clipped = np.clip(boxes[0], 0, 64)
    rows, columns = np.nonzero(labels == 1)
    np.testing.assert_allclose(
        clipped, [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], atol=1.01)


@given(seeds)
def test_joints_and_boxes_stay_together(seed):
    config = AugmentConfig(degrees=0.0)
    pose = augment(make_sample(seed), INPUT, np.random.default_rng(seed), config).annotations[
        'pose']
    for box, joints in zip(pose.boxes, pose.keypoints):
        known = joints[np.isfinite(joints[:, 0])]
        assert (known >= 0).all() and (known < 64).all()
        assert (known >= box[:2] - 1e-3).all() and (known <= box[2:] + 1e-3).all()


def test_a_flip_mirrors_and_swaps_left_and_right():
    sample = make_sample()
    result = view(sample, size=SIZE, flip=1.0)
    np.testing.assert_array_equal(result.image, sample.image[:, ::-1])
    before, after = sample.annotations['pose'], result.annotations['pose']
    mirrored = before.keypoints * [-1, 1] + [SIZE[1], 0]
    np.testing.assert_allclose(after.keypoints, mirrored[:, list(COCO_SKELETON.flip)])
    np.testing.assert_array_equal(after.keypoint_scores, before.keypoint_scores)
    np.testing.assert_allclose(after.boxes[:, [0, 2]], SIZE[1] - before.boxes[:, [2, 0]])


def test_what_is_not_labelled_stays_so():
    sample = replace(make_sample(), annotations={})
    assert not view(sample, flip=0.5, scale=(0.5, 2.0)).annotations


def test_a_view_is_a_function_of_its_random_numbers():
    first, again, other = (augment(make_sample(), INPUT, np.random.default_rng(s), AugmentConfig())
                           for s in (3, 3, 4))
    np.testing.assert_array_equal(first.image, again.image)
    assert (first.image != other.image).any()


def test_what_is_labelled_does_not_change_the_view():
    bare = replace(make_sample(), annotations={})
    one, two = (augment(s, INPUT, np.random.default_rng(5), AugmentConfig())
                for s in (make_sample(), bare))
    np.testing.assert_array_equal(one.image, two.image)


@given(seeds)
def test_the_border_is_that_of_inference(seed):
    config = AugmentConfig(scale=(0.5, 0.6), brightness=0.9, contrast=0.9)
    result = augment(make_sample(), INPUT, np.random.default_rng(seed), config)
    unknown = result.annotations['segmentation'].labels == IGNORE
    # Pixels at the seam are a mixture.
    seam = np.zeros_like(unknown)
    rows, columns = np.nonzero(~unknown)
    seam[max(0, rows.min() - 1):rows.max() + 2, max(0, columns.min() - 1):columns.max() + 2] = True
    assert (result.image[~seam] == BORDER).all() and (~seam).any()


@given(seeds, strategies.floats(0.3, 1.0))
def test_a_small_image_is_seen_completely(seed, scale):
    sample = make_sample(seed)
    result = view(sample, seed, scale=(scale, scale), shift=1.0)
    assert not result.annotations['detection'].crowd.any()
    box = result.annotations['detection'].boxes[0]
    assert (box > -1e-3).all() and (box < 64 + 1e-3).all()


@given(seeds)
def test_a_crop_shows_nothing_but_image(seed):
    labels = view(make_sample(seed), seed, scale=(2.2, 3.0), shift=1.0).annotations[
        'segmentation'].labels
    assert (labels != IGNORE).all()


def picture(seed=0):
    return np.random.default_rng(seed).integers(40, 200, (8, 9, 3)).astype(np.uint8)


def test_neutral_colours_are_the_same():
    np.testing.assert_array_equal(jitter_colors(picture(), np.random.default_rng(0), NEUTRAL),
                                  picture())


def test_gray_has_no_colour():
    result = jitter_colors(picture(), np.random.default_rng(0), replace(NEUTRAL, gray=1.0))
    assert (result.max(axis=2) - result.min(axis=2)).max() <= 1
    luma = picture() @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(result[..., 0], luma, atol=1)


@given(seeds)
def test_gray_pixels_stay_gray_under_hue_and_saturation(seed):
    gray = np.repeat(picture()[..., :1], 3, axis=2)
    config = replace(NEUTRAL, hue=90.0, saturation=1.0)
    np.testing.assert_allclose(jitter_colors(gray, np.random.default_rng(seed), config), gray,
                               atol=1)


@given(seeds)
def test_contrast_keeps_the_mean_and_brightness_scales_it(seed):
    mean = picture().mean()
    rng = np.random.default_rng
    flat = jitter_colors(picture(), rng(seed), replace(NEUTRAL, contrast=0.2))
    luma = [0.299, 0.587, 0.114]
    assert abs((flat @ luma).mean() - (picture() @ luma).mean()) < 1
    light = jitter_colors(picture(), rng(seed), replace(NEUTRAL, brightness=0.2))
    assert 0.79 < light.mean() / mean < 1.21


@pytest.mark.parametrize('changes', [
    {'scale': (0.0, 1.0)}, {'scale': (2.0, 1.0)}, {'flip': 1.5}, {'shift': -0.1},
    {'brightness': 2.0}, {'min_visible': -1.0}])
def test_impossible_settings_are_refused(changes):
    (name,) = changes
    with pytest.raises(ValueError, match=name):
        AugmentConfig(**changes)


def crowded_sample():
    """Return five people, one of them a crowd, two without joints."""
    boxes = np.array([[10 * i, 5, 10 * i + 8, 30 + 10 * i] for i in range(5)], np.float32)
    joints = np.full((5, 17, 2), np.nan, np.float32)
    joints[:3, 0] = boxes[:3, :2] + 1
    people = Poses(boxes, np.ones(5, np.float32), joints,
                   np.isfinite(joints[..., 0]).astype(np.float32), np.arange(5) == 0)
    return Sample(np.zeros((96, 128, 3), np.uint8), {'pose': people}, 'five')


def focused(seed, task='pose', probability=1.0, **changes):
    # Rows tell who is who: the last joint is not used.
    sample = crowded_sample()
    result = view(sample, seed, INPUT, focus={task: probability}, min_visible=0.01, **changes)
    return result.annotations['pose'].boxes


@given(seeds)
def test_a_focused_view_shows_a_person_in_the_size_asked_for(seed):
    boxes = focused(seed, focus_size=(0.4, 0.8), shift=1.0)
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    whole = ((boxes >= -1e-3) & (boxes <= np.array([64, 64, 64, 64]) + 1e-3)).all(axis=1)
    aspects = (boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1])
    with_joints = [8 / 35, 8 / 45]  # the crowd has 8 / 25, those without joints other ones
    shown = np.isclose(aspects[:, None], with_joints, rtol=1e-3).any(axis=1)
    assert (shown & whole & (longer >= 0.4 * 64 - 0.1) & (longer <= 0.8 * 64 + 0.1)).any()


def test_a_focused_view_is_not_magnified_without_end():
    boxes = focused(0, focus_size=(50.0, 50.0))
    assert np.isclose((boxes[:, 2] - boxes[:, 0]).max(), 16)  # 8 pixels, twice as large


@pytest.mark.parametrize('probability,task', [(0.0, 'pose'), (1.0, 'detection')])
def test_without_an_object_to_show_the_view_is_of_the_image(probability, task):
    for seed in range(3):
        expected = view(crowded_sample(), seed, INPUT, scale=(0.7, 1.3), shift=1.0,
                        min_visible=0.01).annotations['pose'].boxes
        got = focused(seed, task, probability, scale=(0.7, 1.3), shift=1.0)
        np.testing.assert_array_equal(got, expected)


def test_a_view_cannot_show_an_object_of_a_map():
    with pytest.raises(ValueError, match='focus: segmentation has no objects'):
        view(make_sample(), focus={'segmentation': 1.0})


@pytest.mark.parametrize('changes,message', [
    ({'focus': {'pose': 0.7, 'detection': 0.5}}, 'focus: .* are no probabilities'),
    ({'focus': {'pose': -0.1}}, 'focus: .* are no probabilities'),
    ({'focus_size': (0.0, 1.0)}, 'focus_size: .* positive'),
    ({'mosaic': 1.5}, 'mosaic: 1.5 is not in 0..1')])
def test_impossible_focus_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        AugmentConfig(**changes)
