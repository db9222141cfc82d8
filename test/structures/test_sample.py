# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""An image and its annotations move together."""

import numpy as np

from mcn_ros.geometry import letterbox, Resampling
from mcn_ros.structures import ClassMap, IGNORE, Instances, Sample


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


def test_all_annotations_of_a_sample_are_cut():
    boxes = np.array([[1, 1, 3, 3], [9, 1, 11, 3], [50, 1, 52, 3]], np.float32)
    objects = Instances(boxes, np.arange(3), np.ones(3, np.float32))
    labels = ClassMap(np.zeros((8, 10), np.uint8))
    sample = Sample(np.zeros((8, 10, 3), np.uint8), {'boxes': objects, 'labels': labels}, 'x')
    cut = sample.cut(0.6)
    assert cut.annotations['boxes'].classes.tolist() == [0, 1]
    assert cut.annotations['boxes'].crowd.tolist() == [False, True]
    assert cut.annotations['labels'] is labels and cut.id == 'x' and cut.image is sample.image
