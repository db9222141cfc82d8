# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Four views in one: everything is where its view is, and unknown where one does not know."""

import numpy as np
import pytest

from mcn_ros.data.mosaic import mosaic, tile_size
from mcn_ros.structures import ClassMap, IGNORE, Instances, Poses, Sample

HEIGHT, WIDTH = 20, 30


def sample(number, without=(), classes=None):
    """Return an image of one gray with a box, a joint and one label, all told by the number."""
    image = np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)
    box = np.array([[number, 2, number + 10, 12]], np.float32)
    one = np.ones(1, np.float32)
    joints = np.full((1, 17, 2), np.nan, np.float32)
    joints[0, 3] = number, 5
    labels = np.full((HEIGHT, WIDTH), number, np.uint8)
    known = None if classes is None else np.array(classes)
    annotations = {
        'detection': Instances(box, np.array([number]), one, labelled_classes=known),
        'pose': Poses(box, one, joints, np.isfinite(joints[..., 0]).astype(np.float32)),
        'segmentation': ClassMap(labels, known)}
    return Sample(image, {k: v for k, v in annotations.items() if k not in without}, str(number))


def test_every_view_has_its_place():
    whole = mosaic([sample(number) for number in range(1, 5)])
    assert whole.id == '1 + 2 + 3 + 4'
    for number, (x, y) in enumerate([(0, 0), (WIDTH, 0), (0, HEIGHT), (WIDTH, HEIGHT)], start=1):
        place = slice(y, y + HEIGHT), slice(x, x + WIDTH)
        assert (whole.image[place] == 10 * number).all()
        assert (whole.annotations['segmentation'].labels[place] == number).all()
        objects, people = whole.annotations['detection'], whole.annotations['pose']
        row = objects.classes.tolist().index(number)
        expected = np.array([number, 2, number + 10, 12]) + [x, y, x, y]
        np.testing.assert_array_equal(objects.boxes[row], expected)
        np.testing.assert_array_equal(people.boxes[row], expected)
        np.testing.assert_array_equal(people.keypoints[row, 3], [number + x, 5 + y])
        assert people.keypoint_scores[row].tolist() == [0, 0, 0, 1] + 13 * [0]


def test_an_object_ends_where_its_view_ends():
    samples = [sample(number) for number in (1, 25, 3, 4)]
    boxes = mosaic(samples).annotations['detection'].boxes
    np.testing.assert_array_equal(boxes[1], [WIDTH + 25, 2, 2 * WIDTH, 12])


@pytest.mark.parametrize('task', ['detection', 'pose', 'segmentation'])
def test_a_task_that_one_view_lacks_is_absent(task):
    samples = [sample(number, (task,) if number == 3 else ()) for number in range(1, 5)]
    assert set(mosaic(samples).annotations) == {'detection', 'pose', 'segmentation'} - {task}


def test_a_class_that_one_view_lacks_is_not_labelled():
    labelled = [None, (True, True, False), (False, True, True), None]
    whole = mosaic([sample(i, classes=c) for i, c in enumerate(labelled)])
    for name in ('detection', 'segmentation'):
        assert whole.annotations[name].labelled_classes.tolist() == [False, True, False]
    whole = mosaic([sample(i) for i in range(4)])
    assert whole.annotations['detection'].labelled_classes is None


def test_unknown_pixels_stay_unknown():
    samples = [sample(number) for number in range(1, 5)]
    samples[2].annotations['segmentation'].labels[3, 4] = IGNORE
    labels = mosaic(samples).annotations['segmentation'].labels
    assert np.argwhere(labels == IGNORE).tolist() == [[HEIGHT + 3, 4]]


def test_a_view_is_half_as_high_and_wide():
    assert tile_size((256, 320)) == (128, 160)
