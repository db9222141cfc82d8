# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Annotations move with the image, and come back."""

from hypothesis import given, strategies
import numpy as np
import pytest
import torch

from mcn_ros.geometry import apply_affine, compose, crop, invert, letterbox, Resampling, scaling
from mcn_ros.structures import (
    ClassMap, clip_boxes, IGNORE, Instances, Poses, Sample, select, to_numpy, warp_boxes)
from mcn_ros.vocabulary import COCO_SKELETON

SIZE = (48, 64)

seeds = strategies.integers(0, 2 ** 32 - 1)
upright = strategies.builds(
    crop, strategies.tuples(*[strategies.floats(-100, 100)] * 2), strategies.floats(0.1, 10),
    strategies.just(SIZE), flip=strategies.booleans())
turned = strategies.builds(
    crop, strategies.tuples(*[strategies.floats(-100, 100)] * 2), strategies.floats(0.1, 10),
    strategies.just(SIZE), strategies.floats(-180, 180), strategies.booleans())


def boxes(rng, count):
    points = rng.uniform(0, 48, (count, 2, 2))
    return np.hstack([points.min(axis=1), points.max(axis=1)]).astype(np.float32)


def instances(seed, count=3):
    rng = np.random.default_rng(seed)
    return Instances(boxes(rng, count), rng.integers(0, 5, count), np.ones(count, np.float32),
                     rng.random(count) < 0.5, np.array([True, False]))


def poses(seed, count=3):
    rng = np.random.default_rng(seed)
    known = rng.random((count, 17)) < 0.7
    points = rng.uniform(0, 48, (count, 17, 2)).astype(np.float32)
    points[~known] = np.nan
    return Poses(boxes(rng, count), np.ones(count, np.float32), points,
                 known.astype(np.float32), rng.random(count) < 0.5)


def class_map(seed, size=SIZE):
    rng = np.random.default_rng(seed)
    return ClassMap(rng.integers(0, 4, size).astype(np.uint8), np.array([True, True, False]))


def assert_same(actual, expected, atol=1e-3):
    for name in vars(expected):
        one, other = getattr(actual, name), getattr(expected, name)
        if isinstance(other, np.ndarray):
            assert one.dtype == other.dtype and one.shape == other.shape
            np.testing.assert_allclose(one, other, atol=atol, err_msg=name)
        else:
            assert one == other, name


@given(seeds, upright, strategies.integers(0, 4), strategies.sampled_from([instances, poses]))
def test_there_and_back(seed, affine, count, make):
    annotation = make(seed, count)
    assert_same(annotation.warp(affine, SIZE).warp(invert(affine), SIZE), annotation)


@given(seeds, strategies.sampled_from([instances, poses, class_map]))
def test_two_flips_are_none(seed, make):
    flip = crop((32, 24), 1, SIZE, flip=True)
    annotation = make(seed)
    flipped = annotation.warp(flip, SIZE)
    assert_same(flipped.warp(flip, SIZE), annotation)
    with pytest.raises(AssertionError):
        assert_same(flipped, annotation)


@given(seeds, turned, turned)
def test_two_warps_are_one(seed, first, second):
    annotation = poses(seed)
    once = annotation.warp(compose(second, first), SIZE)
    twice = annotation.warp(first, SIZE).warp(second, SIZE)
    np.testing.assert_allclose(twice.keypoints, once.keypoints, atol=0.05)
    np.testing.assert_array_equal(twice.keypoint_scores, once.keypoint_scores)


@given(seeds, turned)
def test_warped_boxes_enclose_the_warped_corners_tightly(seed, affine):
    annotation = instances(seed)
    warped = annotation.warp(affine, SIZE).boxes
    for box, new in zip(annotation.boxes.astype(float), warped):
        corners = apply_affine(affine, box[[[0, 1], [2, 1], [0, 3], [2, 3]]])
        np.testing.assert_allclose(new[:2], corners.min(axis=0), atol=1e-2)
        np.testing.assert_allclose(new[2:], corners.max(axis=0), atol=1e-2)


@pytest.mark.parametrize('flip', [False, True])
def test_a_mirror_swaps_left_and_right(flip):
    annotation = poses(0)
    warped = annotation.warp(crop((32, 24), 1, SIZE, degrees=30, flip=flip), SIZE)
    order = list(COCO_SKELETON.flip) if flip else list(range(17))
    np.testing.assert_array_equal(warped.keypoint_scores, annotation.keypoint_scores[:, order])
    absent = np.isnan(warped.keypoints).any(axis=2)
    np.testing.assert_array_equal(absent, annotation.keypoint_scores[:, order] == 0)


@given(seeds, strategies.sampled_from([2, 3, 4]))
def test_class_map_there_and_back(seed, factor):
    annotation = class_map(seed)
    size = (SIZE[0] * factor, SIZE[1] * factor)
    enlarged = annotation.warp(scaling(factor), size)
    np.testing.assert_array_equal(
        enlarged.labels, annotation.labels.repeat(factor, axis=0).repeat(factor, axis=1))
    assert_same(enlarged.warp(scaling(1 / factor), SIZE), annotation)


def test_a_coarse_map_warps_like_the_fine_one_it_stands_for():
    coarse = ClassMap(class_map(0, (12, 16)).labels, stride=4)
    fine = ClassMap(coarse.labels.repeat(4, axis=0).repeat(4, axis=1))
    for affine in (np.eye(2, 3), letterbox(SIZE, (40, 90)), crop((20, 20), 1.3, SIZE, flip=True)):
        assert_same(coarse.warp(affine, SIZE), fine.warp(affine, SIZE))


def test_outside_of_a_map_nothing_is_known():
    moved = class_map(0).warp(np.array([[1.0, 0, 10], [0, 1.0, 0]]), SIZE)
    assert (moved.labels[:, :10] == IGNORE).all() and (moved.labels[:, 10:] != IGNORE).all()


def test_image_labels_and_boxes_of_a_sample_stay_together():
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:20, 24:44] = 255
    labels = (image[..., 0] > 0).astype(np.uint8)
    box = np.array([[24, 10, 44, 20]], np.float32)
    sample = Sample(image, {
        'boxes': Instances(box, np.zeros(1, int), np.ones(1, np.float32)),
        'labels': ClassMap(labels)}, 'x')
    warped = sample.warp(letterbox((40, 60), (96, 96)), (96, 96), Resampling(7))
    assert warped.id == 'x' and warped.image.shape == (96, 96, 3)
    left, top, right, bottom = warped.annotations['boxes'].boxes[0]
    for mask in (warped.image[..., 0] > 128, warped.annotations['labels'].labels == 1):
        rows, columns = np.nonzero(mask)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(found, [left, top, right, bottom], atol=0.51)
    assert (warped.image[:15] == 7).all()
    assert (warped.annotations['labels'].labels[:15] == IGNORE).all()


@pytest.mark.parametrize('make', [instances, poses])
def test_no_objects(make):
    empty = make(0, 0)
    warped = empty.warp(crop((3, 4), 2, SIZE, 30, True), SIZE)
    assert len(warped) == len(empty) == 0 and warped.boxes.shape == (0, 4)
    assert clip_boxes(warped.boxes, SIZE).shape == warp_boxes(warped.boxes, np.eye(2, 3)).shape


def test_clip():
    clipped = clip_boxes(np.array([[-3, 5, 70, 60], [70, 5, 80, 9]], np.float32), SIZE)
    np.testing.assert_array_equal(clipped, [[0, 5, 64, 48], [64, 5, 64, 9]])
    assert clipped.dtype == np.float32


def test_clip_leaves_no_box_inverted():
    """A network may regress a negative size: who uses the box must not have to expect that."""
    clipped = clip_boxes(np.array([[20, 10, 15, 30], [20, 30, 25, 10]], np.float32), SIZE)
    np.testing.assert_array_equal(clipped, [[20, 10, 20, 30], [20, 30, 25, 30]])


def test_select_indexes_rows_only():
    annotation = poses(1, 4)
    chosen = select(annotation, np.array([True, False, False, True]))
    np.testing.assert_array_equal(chosen.keypoints, annotation.keypoints[[0, 3]])
    assert len(chosen) == 2 and chosen.skeleton is annotation.skeleton
    assert select(Instances(annotation.boxes, np.arange(4), np.ones(4)), [1]).crowd is None
    objects = instances(0)
    assert select(objects, [0]).labelled_classes is objects.labelled_classes


def test_select_takes_an_image_of_a_batch():
    batch = Instances(torch.rand(2, 5, 4), torch.zeros(2, 5).long(), torch.rand(2, 5))
    one = select(batch, 1)
    assert len(one) == 5 and torch.equal(one.scores, batch.scores[1])
    maps = ClassMap(torch.zeros(2, 3, 4, dtype=torch.uint8), stride=4)
    assert select(maps, 0).labels.shape == (3, 4) and select(maps, 0).stride == 4


def test_to_numpy_copies_every_tensor():
    batch = Poses(torch.rand(2, 4, requires_grad=True), torch.rand(2), torch.rand(2, 17, 2),
                  torch.rand(2, 17))
    host = to_numpy(batch)
    assert all(isinstance(getattr(host, name), np.ndarray) for name in Poses.ROWS[:4])
    assert host.crowd is None and host.skeleton is COCO_SKELETON
    np.testing.assert_array_equal(host.keypoints, batch.keypoints.numpy())
    assert_same(to_numpy(host), host)
