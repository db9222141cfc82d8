# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of predictions."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from mcn_ros import structures
from mcn_ros.colors import class_colors
from mcn_ros.structures import (
    ClassMap, ClassPlanes, Instances, LineMap, Poses, RegionMap, ScalarMap, select, VectorMap)
from mcn_ros.visualization import draw, DRAWINGS, LEFT, RIGHT
from mcn_ros.vocabulary import COCO_SKELETON

NAMES = {'detection': ('person', 'traffic light'), 'segmentation': ('person', 'traffic light')}
NUM_JOINTS = COCO_SKELETON.num_keypoints
DRAW = import_module('mcn_ros.visualization.draw')  # the package has the function of that name


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


def test_every_type_has_a_drawing():
    assert set(DRAWINGS) == {value for value in vars(structures).values()
                             if isinstance(value, type) and hasattr(value, 'warp')} - {
                                 structures.Sample, structures.Structure}


def half(dtype=np.float32, on=1.0):
    """Return a map that is `on` to the right."""
    values = np.zeros((240, 320), dtype)
    values[:, 160:] = on
    return values


def test_lines_are_white_and_their_faintness_is_seen():
    lines = LineMap(half())
    drawn = draw(picture(), {'boundaries': lines}, {})
    assert (drawn[:, 160:] == 255).all() and (drawn[:, :160] == 100).all()
    faint = draw(picture(), {'boundaries': LineMap(half(on=0.5))}, {})
    assert (100 < faint[:, 160:]).all() and (faint[:, 160:] < 255).all()
    regions = RegionMap(half(np.uint16, 1), np.zeros(1, int))
    np.testing.assert_array_equal(changed(picture(), draw(picture(), {'boundaries': regions}, {})),
                                  np.arange(320)[None] == np.full((240, 1), 159))


def test_areas_of_a_scalar_map_are_tinted():
    drawn = draw(picture(), {'saliency': ScalarMap(half())}, {})
    np.testing.assert_array_equal(changed(picture(), drawn), half() > 0)
    assert (drawn[0, 160] != 255).any()
    faint = draw(picture(), {'saliency': ScalarMap(half(on=0.2))}, {})
    assert np.abs(faint.astype(int) - 100).max() < np.abs(drawn.astype(int) - 100).max()


@pytest.mark.parametrize('value', [ScalarMap(half(np.uint8, 255)),
                                   ClassPlanes(half(np.uint8, 255)[None])])
def test_what_is_unknown_is_not_drawn(value):
    np.testing.assert_array_equal(draw(picture(), {'x': value}, {}), picture())


def test_planes_show_the_likeliest_class_where_it_is_likely():
    planes = np.stack([half(on=0.6), half(on=0.7)])
    planes[:, 120:] *= 0.5
    drawn = draw(picture(), {'lines': ClassPlanes(planes)}, {}, score_thresholds={'lines': 0.5})
    assert (drawn[:120, 160:] == class_colors(2)[1]).all()
    touched = changed(picture(), drawn)
    assert not touched[120:].any() and not touched[:, :160].any()
    lower = draw(picture(), {'lines': ClassPlanes(planes)}, {}, score_thresholds={'other': 0.5})
    np.testing.assert_array_equal(changed(picture(), lower), half() > 0)


def test_a_wall_that_faces_the_camera_is_blue():
    vectors = np.full((240, 320, 3), np.nan, np.float32)
    vectors[:, 160:] = 0, 0, -1
    drawn = draw(picture(), {'normals': VectorMap(vectors)}, {})
    assert (drawn[:, 160:] == (128, 128, 255)).all() and (drawn[:, :160] == 100).all()


def test_directions_leave_a_picture_with_anything_else_alone():
    vectors = VectorMap(np.full((240, 320, 3), np.float32(3 ** -0.5)))
    found = {'detection': boxes((50, 60, 150, 160))}
    np.testing.assert_array_equal(draw(picture(), {**found, 'normals': vectors}, NAMES),
                                  draw(picture(), found, NAMES))


def test_ids_are_written_beside_the_names():
    def texts(monkeypatch, predictions):
        found = []
        monkeypatch.setattr(DRAW, 'draw_labels', lambda canvas, labels, taken: found.extend(
            label.text for label in labels))
        draw(picture(), predictions, NAMES)
        return found

    with pytest.MonkeyPatch.context() as patch:
        objects = replace(boxes((9, 9, 99, 99), (150, 9, 250, 99)), ids=np.array(['t7', '']))
        assert sorted(texts(patch, {'detection': objects})) == ['person 90%', 'person t7 90%']
        people = replace(person(), ids=np.array(['t3']))
        assert texts(patch, {'pose': people}) == ['t3']
        assert texts(patch, {'pose': person()}) == []
        # Where boxes are drawn, theirs say it.
        assert texts(patch, {'pose': people, 'detection': boxes()}) == []
