# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is known of things that are partly seen."""

import numpy as np
import pytest

from mcn_ros.data.synthetic.background import draw_place
from mcn_ros.data.synthetic.camera import Camera
from mcn_ros.data.synthetic.groups import Cluster, Item
from mcn_ros.data.synthetic.people import draw_person
from mcn_ros.data.synthetic.solids import box
from mcn_ros.data.synthetic.view import paint_view

CAMERA = Camera((96, 96), 90.0, 1.2, pitch=5, roll=3)
LARGER = Camera((288, 288), 90.0, 1.2, pitch=5, roll=3)  # 96 pixels more on each side


def person(seed, spot):
    someone = draw_person(np.random.default_rng(seed), 'stand')
    return Item('person', someone.solids, someone.joints).moved(spot)


def view_of(camera, *items):
    place = draw_place(np.random.default_rng(0), camera, 'studio')
    return paint_view(place, [Cluster([item], np.zeros(3)) for item in items], camera)


def corners(extent):
    left, top, width, height = extent
    return np.array([left, top, left + width, top + height])


@pytest.mark.parametrize('seed, spot', [
    (0, (0, 0, -3)), (1, (1.2, 0, -2.5)), (2, (-1, 0, -2.2)), (3, (.4, 0, -1.4)), (4, (0, 0, -6))])
def test_the_full_box_is_what_a_larger_picture_shows(seed, spot):
    someone = person(seed, spot)
    annotation, = view_of(CAMERA, someone).annotations()
    whole, = view_of(LARGER, someone).annotations()
    np.testing.assert_allclose(corners(annotation['full_bbox']) + 96, corners(whole['bbox']),
                               atol=2)
    seen, full = (corners(annotation[key]) for key in ('bbox', 'full_bbox'))
    assert (full[:2] <= seen[:2]).all() and (full[2:] >= seen[2:]).all()
    share = np.prod(seen[2:] - seen[:2]) / np.prod(full[2:] - full[:2])
    assert annotation['vis_ratio'] == pytest.approx(share, abs=1e-3)


def test_who_is_hidden_keeps_the_full_box():
    someone = person(0, (0, 0, -3))
    alone, = view_of(CAMERA, someone).annotations()
    assert alone['vis_ratio'] > .9
    wall = Item(None, box((3, .9, .1), (9, 9, 9), (0, .45, -1.8)))
    hidden, = view_of(CAMERA, someone, wall).annotations()
    assert hidden['full_bbox'] == alone['full_bbox']
    assert hidden['vis_ratio'] < .8 * alone['vis_ratio']


def test_only_people_have_a_full_box():
    chair = Item('chair', box((.5, .9, .5), (9, 9, 9), (0, .45, -3)))
    annotation, = view_of(CAMERA, chair).annotations()
    assert 'full_bbox' not in annotation and 'vis_ratio' not in annotation
