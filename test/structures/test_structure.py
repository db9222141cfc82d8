# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Annotations move with the image, and come back."""

from dataclasses import replace

from hypothesis import given, strategies
import numpy as np
import pytest

from mcn_ros.geometry import apply_affine, compose, crop, invert, letterbox, scaling
from mcn_ros.structures import (
    ClassMap, ClassPlanes, clip_boxes, Instances, Poses, RegionMap, ScalarMap, select, VectorMap,
    warp_boxes)
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


def region_map(seed, size=SIZE):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, size).astype(np.uint16)
    return RegionMap(labels, np.array([0, 2, -1, 1]), np.array([True, True, False]))


def scalar_map(seed, size=SIZE):
    return ScalarMap(np.random.default_rng(seed).integers(0, 2, size).astype(np.uint8))


def scores(seed, size=SIZE):
    return ScalarMap(np.random.default_rng(seed).random(size).astype(np.float32))


def vector_map(seed, size=SIZE):
    vectors = np.random.default_rng(seed).normal(size=(*size, 3))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    return VectorMap(vectors.astype(np.float32))


def class_planes(seed, size=SIZE):
    planes = np.random.default_rng(seed).integers(0, 2, (3, *size)).astype(np.uint8)
    return ClassPlanes(planes, np.array([True, True, True]))


OBJECTS = [instances, poses]
MAPS = [class_map, region_map, scalar_map, vector_map, class_planes]


def pixels(annotation):
    """Return the map itself with the pixels first, (H, W) or (H, W, C)."""
    values = getattr(annotation, annotation.ROWS[0])
    return np.moveaxis(values, 0, -1) if isinstance(annotation, ClassPlanes) else values


def unknown(annotation):
    """Return where nothing is known, (H, W) bool."""
    values = pixels(annotation)
    none = (np.isnan(values) if values.dtype.kind == 'f' else
            values == np.iinfo(values.dtype).max)
    return none if none.ndim == 2 else none.all(axis=2)


def assert_same(actual, expected, atol=1e-3):
    for name in vars(expected):
        one, other = getattr(actual, name), getattr(expected, name)
        if isinstance(other, np.ndarray):
            assert one.dtype == other.dtype and one.shape == other.shape
            np.testing.assert_allclose(one, other, atol=atol, err_msg=name)
        else:
            assert one == other, name


@given(seeds, upright, strategies.integers(0, 4), strategies.sampled_from(OBJECTS))
def test_there_and_back(seed, affine, count, make):
    annotation = make(seed, count)
    assert_same(annotation.warp(affine, SIZE).warp(invert(affine), SIZE), annotation)


@given(seeds, strategies.sampled_from([*OBJECTS, *MAPS, scores]))
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


@pytest.mark.parametrize('make', OBJECTS)
def test_no_objects(make):
    empty = make(0, 0)
    warped = empty.warp(crop((3, 4), 2, SIZE, 30, True), SIZE)
    assert len(warped) == len(empty) == 0 and warped.boxes.shape == (0, 4)
    assert empty.size is None
    assert clip_boxes(warped.boxes, SIZE).shape == warp_boxes(warped.boxes, np.eye(2, 3)).shape


@given(seeds, strategies.sampled_from([2, 3, 4]), strategies.sampled_from(MAPS))
def test_a_map_there_and_back(seed, factor, make):
    annotation = make(seed)
    size = (SIZE[0] * factor, SIZE[1] * factor)
    enlarged = annotation.warp(scaling(factor), size)
    np.testing.assert_array_equal(
        pixels(enlarged), pixels(annotation).repeat(factor, axis=0).repeat(factor, axis=1))
    assert_same(enlarged.warp(scaling(1 / factor), SIZE), annotation)


@pytest.mark.parametrize('make', MAPS)
def test_a_coarse_map_warps_like_the_fine_one_it_stands_for(make):
    coarse = replace(make(0, (12, 16)), stride=4)
    fine = make(0, (12, 16)).warp(scaling(4), (48, 64))
    assert coarse.size == fine.size == (48, 64)
    for affine in (np.eye(2, 3), letterbox(SIZE, (40, 90)), crop((20, 20), 1.3, SIZE, flip=True)):
        assert_same(coarse.warp(affine, SIZE), fine.warp(affine, SIZE))


@pytest.mark.parametrize('degrees', [0, 30])
@pytest.mark.parametrize('make', MAPS)
def test_outside_of_a_map_nothing_is_known(make, degrees):
    affine = crop((20, 24), 1, SIZE, degrees)
    rows, columns = np.mgrid[:SIZE[0], :SIZE[1]] + 0.5
    x, y = apply_affine(invert(affine), np.stack([columns, rows], axis=-1)).transpose(2, 0, 1)
    outside = np.stack([-x, x - SIZE[1], -y, y - SIZE[0]]).max(axis=0)
    found = unknown(make(0).warp(affine, SIZE))
    assert found[outside > 0.01].all() and not found[outside < -0.01].any()
    assert (outside > 0.01).any()


@pytest.mark.parametrize('make', MAPS)
def test_a_map_ends_with_its_image(make):
    annotation = make(0)
    assert annotation.cut(SIZE, 0.5) is annotation


@pytest.mark.parametrize('make', MAPS)
def test_joined_maps_have_all_that_either_knows(make):
    right = np.array([[1.0, 0, SIZE[1]], [0, 1.0, 0]])
    wide = SIZE[0], 2 * SIZE[1]
    one, other = make(0).warp(np.eye(2, 3), wide), make(1).warp(right, wide)
    whole, turned = one.join(other), other.join(one)
    assert not unknown(whole).any() and not unknown(turned).any()
    np.testing.assert_array_equal(pixels(whole)[:, :SIZE[1]], pixels(make(0)))
    np.testing.assert_array_equal(pixels(turned)[:, SIZE[1]:], pixels(make(1)))
    if make is not region_map:  # the numbers of the others' regions change
        np.testing.assert_array_equal(pixels(whole), pixels(turned))


@pytest.mark.parametrize('make', [instances, class_map, region_map, class_planes])
def test_joined_annotations_label_what_both_label(make):
    one, other = make(0), make(1)
    labels = [np.array(known) for known in ([True, False, True], [True, True, False])]
    both = replace(one, labelled_classes=labels[0]).join(
        replace(other, labelled_classes=labels[1]))
    assert both.labelled_classes.tolist() == [True, False, False]
    for first, second in ((None, labels[1]), (labels[1], None)):
        joined = replace(one, labelled_classes=first).join(
            replace(other, labelled_classes=second))
        assert joined.labelled_classes.tolist() == [True, True, False]
    joined = replace(one, labelled_classes=None).join(replace(other, labelled_classes=None))
    assert joined.labelled_classes is None


@pytest.mark.parametrize('make', OBJECTS)
def test_joined_objects_are_those_of_both(make):
    one, other = make(0, 2), make(1, 3)
    joined = one.join(replace(other, crowd=None))
    assert len(joined) == 5 and joined.crowd.tolist() == [*one.crowd, False, False, False]
    for name in {'boxes', 'scores', 'keypoints', 'classes'} & set(one.ROWS):
        np.testing.assert_array_equal(
            getattr(joined, name), np.concatenate([getattr(one, name), getattr(other, name)]))


@pytest.mark.parametrize('make', OBJECTS)
def test_who_has_not_looked_says_that_there_is_no_object(make):
    annotation = make(0)
    nothing = annotation.nothing()
    assert type(nothing) is type(annotation) and len(nothing) == 0
    for name in annotation.ROWS:
        rows = getattr(annotation, name)
        assert rows is None or getattr(nothing, name).shape == (0, *rows.shape[1:])
    assert len(select(nothing, nothing.scores >= 0.3)) == 0


@pytest.mark.parametrize('make', MAPS)
def test_who_has_not_looked_says_the_same_everywhere(make):
    annotation = make(0)
    nothing = annotation.nothing()
    values = pixels(nothing).reshape(np.prod(SIZE), -1)
    assert type(nothing) is type(annotation)
    assert pixels(nothing).shape == pixels(annotation).shape
    assert (values == ([0, 0, -1] if make is vector_map else 0)).all()


@pytest.mark.parametrize('degrees', [0, 20])
@pytest.mark.parametrize('stride', [1, 4])
def test_predicted_numbers_go_on_beyond_the_border(stride, degrees):
    """Interpolated with a value from outside, the rim would be wrong by up to that value."""
    ones = ScalarMap(np.ones((12, 16), np.float32), stride)
    size = 12 * stride, 16 * stride
    affine = crop((8 * stride, 6 * stride), 0.8, size, degrees)
    for found in (ones.warp(affine, size).values,
                  ClassPlanes(ones.values[None], stride=stride).warp(affine, size).planes[0]):
        np.testing.assert_array_equal(found, np.ones(size, np.float32))


def test_an_enlarged_prediction_has_no_frame():
    ones = ScalarMap(np.ones((12, 16), np.float32), stride=4)
    found = ones.warp(np.eye(2, 3), SIZE).values
    np.testing.assert_array_equal(found, np.ones(SIZE, np.float32))


@pytest.mark.parametrize('make', OBJECTS)
def test_ids_stay_with_their_objects(make):
    some = replace(make(1, 2), ids=np.array(['t1', '']))
    moved = some.warp(scaling(2), SIZE)
    assert moved.ids.tolist() == ['t1', ''] and select(moved, [1, 0]).ids.tolist() == ['', 't1']
    assert some.nothing().ids.tolist() == []
    others = make(2, 1)
    assert some.join(others).ids.tolist() == ['t1', '', '']
    assert others.join(replace(some, ids=np.array(['t10', 't2']))).ids.tolist() == [
        '', 't10', 't2']
    assert others.join(others).ids is None
