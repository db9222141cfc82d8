# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Where results are published, by the types of predictions, and what a node tells of them."""

import numpy as np
import pytest

from mcn_ros.colors import vector_colors
from mcn_ros.data.messages import (
    class_planes_from_msg, line_map_from_msg, scalar_map_from_msg, vector_map_from_msg)
from mcn_ros.data.results import describe, heads_from_json, heads_to_json, RESULTS
from mcn_ros.structures import LineMap, VectorMap
from mcn_ros.tasks import build_tasks, describe_tasks

CLASSES = {'classes': ['left', 'right']}


def described(**configs):
    tasks = build_tasks(configs)
    return describe(tasks, describe_tasks(tasks))


def test_the_three_heads_have_the_topics_of_the_design():
    heads = described(detection={}, pose={}, segmentation={})
    topics = {name: [*head.topics, *head.info] for name, head in heads.items()}
    assert topics == {'detection': ['detections', 'detection/label_info'],
                      'pose': ['poses', 'skeleton_info'],
                      'segmentation': ['semantic/image', 'semantic/color', 'semantic/label_info']}


def test_others_have_topics_of_their_names():
    heads = described(faces={'kind': 'detection', **CLASSES}, crew={'kind': 'pose'},
                      parts={'kind': 'segmentation', **CLASSES}, detection={})
    topics = {name: [*head.topics, *head.info] for name, head in heads.items()}
    assert topics['faces'] == ['faces', 'faces/label_info']
    assert topics['crew'] == ['crew', 'crew/skeleton_info']
    assert topics['parts'] == ['parts/image', 'parts/color', 'parts/label_info']
    assert topics['detection'] == ['detections', 'detection/label_info']


def test_what_is_told_is_understood():
    heads = described(faces={'kind': 'detection', **CLASSES}, pose={})
    assert heads_from_json(heads_to_json(heads)) == heads
    assert build_tasks({'faces': heads['faces'].task})['faces'].classes == ('left', 'right')


@pytest.mark.parametrize('names', [('segmentation', 'semantic'), ('detection', 'detections')])
def test_two_heads_of_one_topic_are_refused(names):
    kind, other = names
    with pytest.raises(ValueError, match=f'head {other}: its topic .* is one of {kind}'):
        described(**{kind: CLASSES, other: {'kind': kind, **CLASSES}})


@pytest.mark.parametrize('name', ['heads', 'overlay'])
def test_topics_of_the_node_itself_are_taken(name):
    with pytest.raises(ValueError, match=f'its topic {name} is one of the node'):
        described(**{name: {'kind': 'detection', **CLASSES}})


def test_predictions_without_messages_are_refused(monkeypatch):
    kind = next(iter(RESULTS))
    monkeypatch.delitem(RESULTS, kind)
    with pytest.raises(ValueError, match=f'no messages for predictions of type {kind.__name__}'):
        described(detection={})


class Picture:
    """A sensor_msgs/Image with two bytes of padding in each row."""

    is_bigendian = 0

    def __init__(self, pixels, encoding=''):
        self.encoding = encoding
        self.height, self.width = pixels.shape[:2]
        rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(self.height, -1)
        self.step = rows.shape[1] + 2
        self.data = np.pad(rows, ((0, 0), (0, 2)), constant_values=7).tobytes()


def test_maps_come_back_from_messages():
    values = np.array([[0, 51, 255], [102, 0, 1]], np.uint8)
    assert np.allclose(scalar_map_from_msg(Picture(values)).values, values / 255)
    lines = line_map_from_msg(Picture(values))
    assert type(lines) is LineMap and np.allclose(lines.values, values / 255)
    vectors = np.random.default_rng(0).normal(size=(2, 3, 3)).astype(np.float32)
    vectors[0, 0] = np.nan
    found = vector_map_from_msg(Picture(vectors, '32FC3'))
    assert type(found) is VectorMap
    np.testing.assert_array_equal(found.vectors, vectors)
    swapped = Picture(vectors.astype('>f4'), '32FC3')
    swapped.is_bigendian = 1
    np.testing.assert_array_equal(vector_map_from_msg(swapped).vectors, vectors)
    with pytest.raises(ValueError, match="encoding 'mono8' .known: 32FC3, rgb8"):
        vector_map_from_msg(Picture(values, 'mono8'))
    planes = class_planes_from_msg(Picture(np.array([[0, 1, 2], [2, 9, 0]], np.uint8)), 2).planes
    assert planes.tolist() == [[[0, 1, 0], [0, 0, 0]], [[0, 0, 1], [1, 0, 0]]]


def test_directions_come_back_from_colors():
    vectors = np.random.default_rng(0).normal(size=(40, 50, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    vectors[0, 0] = np.nan
    found = vector_map_from_msg(Picture(vector_colors(vectors), 'rgb8')).vectors
    np.testing.assert_array_equal(np.isnan(found), np.isnan(vectors))
    assert np.allclose(np.linalg.norm(found, axis=2)[1:], 1, atol=1e-6)
    cosines = np.clip((found * vectors).sum(axis=2)[1:], -1, 1)
    degrees = np.degrees(np.arccos(cosines))
    assert degrees.max() < 0.4 and degrees.mean() < 0.2
