# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of predictions."""

import numpy as np
import pytest

from mcn_ros.colors import class_colors
from mcn_ros.structures import ClassMap, Instances, Poses, select
from mcn_ros.visualization import contact_sheet, draw, LEFT, RIGHT
from mcn_ros.vocabulary import COCO_SKELETON

NAMES = {'detection': ('person', 'traffic light'), 'segmentation': ('person', 'traffic light')}
NUM_JOINTS = COCO_SKELETON.num_keypoints


def picture(height=240, width=320):
    return np.full((height, width, 3), 100, np.uint8)


def boxes(*xyxy, scores=None, classes=None):
    num = len(xyxy)
    return Instances(
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.zeros(num, np.int64) if classes is None else np.array(classes),
        np.full(num, 0.9, np.float32) if scores is None else np.array(scores, np.float32))


def person(keypoints=None, score=0.9, keypoint_scores=0.9):
    """Return one pose, its nose at x = 160, its left joints at 60, its right joints at 260."""
    if keypoints is None:
        columns = {'n': 160, 'l': 60, 'r': 260}
        keypoints = [(columns[name[0]], row) for name, row in
                     zip(COCO_SKELETON.keypoint_names, np.linspace(40, 200, NUM_JOINTS))]
    return Poses(np.array([[60, 40, 260, 200]], np.float32), np.array([score], np.float32),
                 np.array([keypoints], np.float32),
                 np.full((1, NUM_JOINTS), keypoint_scores, np.float32))


def changed(before, after):
    return (before != after).any(axis=2)


def has_color(image, color):
    return (image == np.array(color)).all(axis=2).any()


@pytest.mark.parametrize('predictions', [
    {}, {'detection': boxes()}, {'segmentation': ClassMap(np.zeros((240, 320), np.uint8))},
    {'pose': select(person(), [])}, {'detection': boxes((9, 9, 99, 99), scores=[.1])},
    {'pose': person(score=.1)}, {'pose': person(keypoint_scores=.05)},
    {'segmentation': ClassMap(np.full((240, 320), 255, np.uint8))}],
    ids=lambda p: '-'.join(p) or 'nothing')
def test_nothing_to_draw_leaves_the_picture(predictions):
    np.testing.assert_array_equal(draw(picture(), predictions, NAMES), picture())


def test_the_picture_that_is_given_is_not_touched():
    image = picture()
    image.flags.writeable = False  # as images from a message are
    found = {'detection': boxes((50, 60, 150, 160)), 'pose': person()}
    drawn = draw(image, found, NAMES, text='12 ms')
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    assert changed(image, drawn).any()


def test_a_box_is_drawn_where_it_is():
    drawn = draw(picture(), {'detection': boxes((50, 60, 150, 160))}, NAMES)
    touched = changed(picture(), drawn)
    color = class_colors(2)[0]
    for row, column in ((160, 100), (110, 50), (110, 150)):
        assert has_color(drawn[row - 2:row + 2, column - 2:column + 2], color)
    assert not touched[70:150, 60:140].any()  # its inside is left alone
    assert not touched[165:].any() and not touched[:, 155:].any()


@pytest.mark.parametrize('size', [(240, 320), (330, 400), (360, 480), (480, 640), (1080, 1920)])
def test_the_rim_of_a_box_hides_little_of_its_color(size):
    height, width = size
    found = {'detection': boxes((width / 4, height / 4, width / 2, height / 2))}
    drawn = draw(picture(*size), found, NAMES)
    row = drawn[3 * height // 8]  # through both sides of the box, below its label
    colored = (row == class_colors(2)[0]).all(axis=1)
    assert colored.sum() >= 0.4 * changed(picture(*size), drawn)[3 * height // 8].sum() > 0


def test_thresholds_choose():
    found = {'detection': boxes((10, 60, 60, 160), (200, 60, 300, 160), scores=[.35, .8])}
    low = changed(picture(), draw(picture(), found, NAMES, score_threshold=.3))
    high = changed(picture(), draw(picture(), found, NAMES, score_threshold=.5))
    assert low[:, :70].any() and low[:, 190:].any()
    assert not high[:, :70].any() and high[:, 190:].any()


@pytest.mark.parametrize('box', [(0, 0, 320, 240), (250, 0, 319, 30), (0, 200, 20, 239),
                                 (-40, -30, 30, 40), (300, 230, 400, 300)])
def test_labels_stay_inside_the_picture(box):
    # The name of a class is written on its colour: a filled area, wider than the lines.
    drawn = draw(picture(), {'detection': boxes(box, classes=[1])}, NAMES)
    ground = (drawn == class_colors(2)[1]).all(axis=2)
    assert max(np.convolve(row, np.ones(12), 'valid').max() for row in ground[::2]) >= 12
    assert ground.sum() > 150


@pytest.mark.parametrize('box', [
    (-1e9, -1e9, 1e9, 1e9), (-500, -500, -400, -400), (np.nan, 0, 10, 10),
    (50, 50, 50, 50), (900, 10, 950, 60)])
def test_boxes_may_be_anywhere(box):
    draw(picture(), {'detection': boxes(box)}, NAMES)


def test_a_class_without_a_name_has_its_number():
    drawn = draw(picture(), {'detection': boxes((50, 60, 150, 160), classes=[5])}, {})
    assert changed(picture(), drawn).any()


def test_sides_have_their_colors():
    drawn = draw(picture(), {'pose': person()}, NAMES)
    assert has_color(drawn[:, 50:70], LEFT) and not has_color(drawn[:, 50:70], RIGHT)
    assert has_color(drawn[:, 250:270], RIGHT) and not has_color(drawn[:, 250:270], LEFT)


def test_absent_joints_are_not_drawn():
    keypoints = person().keypoints[0].copy()
    keypoints[keypoints[:, 0] > 60] = np.nan
    drawn = draw(picture(), {'pose': person(keypoints)}, NAMES)
    touched = changed(picture(), drawn)
    assert touched[:, 50:70].any() and not touched[:, 80:].any()
    nobody = person(np.full((NUM_JOINTS, 2), np.nan))
    assert not changed(picture(), draw(picture(), {'pose': nobody}, NAMES)).any()


def test_areas_are_tinted_and_rimmed():
    labels = np.zeros((240, 320), np.uint8)
    labels[50:150, 60:200] = 2
    found = {'segmentation': ClassMap(labels), 'detection': boxes()}
    drawn = draw(picture(), found, NAMES)
    np.testing.assert_array_equal(changed(picture(), drawn), labels > 0)
    assert (drawn[50, 60:200] == class_colors(2)[1]).all()
    assert (drawn[90:110, 100:150] == drawn[100, 120]).all()


def test_areas_are_named_where_no_box_is():
    labels = np.zeros((240, 320), np.uint8)
    labels[50:150, 60:300] = 2
    plain = draw(picture(), {'segmentation': ClassMap(labels), 'detection': boxes()}, NAMES)
    named = draw(picture(), {'segmentation': ClassMap(labels)}, NAMES)
    assert changed(plain, named)[80:120].any()


def test_text_stands_in_the_lower_left_corner():
    drawn = draw(picture(), {}, {}, text='12 ms\n30 Hz')
    rows, columns = np.nonzero(changed(picture(), drawn))
    assert rows.max() == 239 and columns.min() == 0
    assert rows.min() > 180 and columns.max() < 100


@pytest.mark.parametrize('size', [(1, 1), (1, 500), (500, 1), (7, 9), (1080, 1920)])
def test_any_size_of_picture(size):
    labels = np.ones(size, np.uint8)
    found = {'segmentation': ClassMap(labels), 'detection': boxes((0, 0, size[1], size[0])),
             'pose': person()}
    assert draw(picture(*size), found, NAMES, text='12 ms').shape == (*size, 3)


def test_contact_sheet_shows_every_picture_once():
    shades = [20, 60, 100, 140, 180]
    images = [np.full(size + (3,), shade, np.uint8) for shade, size in
              zip(shades, [(480, 640), (640, 480), (30, 40), (48, 64), (1, 1)])]
    sheet = contact_sheet(images, columns=3, width=600, gap=4)
    assert sheet.shape[1] == 600 and sheet.dtype == np.uint8
    present, counts = np.unique(sheet[..., 0], return_counts=True)
    assert set(present) == {*shades, 255}
    for image, shade in zip(images, shades):
        rows, columns = np.nonzero(sheet[..., 0] == shade)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert height * width == len(rows)  # a rectangle of its own
        assert width / height == pytest.approx(image.shape[1] / image.shape[0], rel=0.05)


def test_contact_sheet_of_one_picture():
    image = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(contact_sheet([image], columns=1, width=40), image)
