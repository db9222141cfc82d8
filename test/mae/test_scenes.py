# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Drawn scenes: what tells their segments, and what does not."""

import json

import numpy as np
import pytest

from mcn_ros.data.coco import read_image
from mcn_ros.data.coco_file import read_coco
from mcn_ros.data.labels import draw_objects
from mcn_ros.mae.scenes import CONTRAST, draw_scene, KINDS, MOST, write_scenes


def scenes(kind, count=30):
    return [draw_scene(kind, np.random.default_rng((0, index))) for index in range(count)]


@pytest.mark.parametrize('kind', KINDS)
def test_every_scene_has_shapes_and_ground(kind):
    numbers = [set(np.unique(segments)) for _, segments in scenes(kind)]
    assert all(found == set(range(len(found))) for found in numbers)
    assert {len(found) - 1 for found in numbers} == set(range(1, MOST[kind] + 1))


def means(image, segments):
    return np.array([image[segments == number].mean(axis=0)
                     for number in range(segments.max() + 1)])


def test_colours_tell_coloured_shapes():
    for image, segments in scenes('coloured'):
        colours = means(image, segments)
        others = np.linalg.norm(colours[0] - colours[1:], axis=1)
        assert others.min() > CONTRAST - 3  # rounded, and a pattern may be cut off at 0 and 255


def test_colours_tell_nothing_of_textured_ones():
    for image, segments in scenes('textured'):
        assert np.ptp(means(image, segments), axis=0).max() < 1
        assert image[segments == 1].std() > 20


def test_they_are_written_with_their_masks(tmp_path):
    write_scenes(tmp_path / 'a', 'coloured', 3, 5)
    write_scenes(tmp_path / 'b', 'coloured', 2, 5)
    file = read_coco(tmp_path / 'a' / 'annotations.json')
    for index, record in enumerate(file.records):
        image, segments = draw_scene('coloured', np.random.default_rng((5, index)))
        written = read_image(tmp_path / 'a' / 'images' / record.file_name)
        np.testing.assert_array_equal(written, image)
        np.testing.assert_array_equal(draw_objects(record) > 0, segments > 0)
    small, large = (json.loads((tmp_path / name / 'annotations.json').read_text())
                    for name in 'ba')
    assert large['images'][:2] == small['images']
    with pytest.raises(ValueError, match='exists already'):
        write_scenes(tmp_path / 'a', 'coloured', 1, 5)
