# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Parameters: declared as documented, checked when set, lists in every notation."""

from pathlib import Path
import re

import pytest
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter
import yaml

from mcn_ros.ros.node.declarations import (
    declare_head_parameters, declare_parameters, read_parameters)
from mcn_ros.ros.node.parameters import FIELDS, HEAD_FIELDS, HeadParameters, Parameters
from mcn_ros.runtime.backends import BACKENDS, PRECISIONS
from mcn_ros.tasks import build_tasks

MCN_YAML = Path(__file__).resolve().parents[3] / 'config' / 'mcn.yaml'
STANDARD = Parameters(of_heads=dict.fromkeys(('detection', 'pose', 'normals'), HeadParameters()))
LISTS = [name for name, declared in FIELDS.items() if declared.default == ()]


@pytest.fixture
def make_node(ros):
    nodes = []

    def make(arguments=(), **overrides):
        node = Node('mcn', cli_args=['--ros-args', *arguments], parameter_overrides=[
            Parameter(name, value=value) for name, value in overrides.items()])
        nodes.append(node)
        declare_parameters(node)
        return node

    yield make
    for node in nodes:
        node.destroy_node()


def set_parameter(node, name, value):
    return node.set_parameters([Parameter(name, value=value)])[0]


def flatten(values, prefix=''):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f'{prefix}{name}.')
        else:
            yield prefix + name, value


def test_defaults(make_node):
    assert read_parameters(make_node()) == STANDARD


def test_the_yaml_file_agrees_with_the_declarations(make_node):
    values = dict(flatten(yaml.safe_load(MCN_YAML.read_text())['/**']['ros__parameters']))
    assert set(values) == set(FIELDS)
    node = make_node(['--params-file', str(MCN_YAML)])
    assert read_parameters(node) == STANDARD


def test_every_backend_and_precision_is_documented():
    for field, names in ('backend', BACKENDS), ('precision', PRECISIONS):
        for text in (FIELDS[field].metadata['description'], MCN_YAML.read_text()):
            assert all(re.search(rf'\b{name}\b', text) for name in names)


def test_the_yaml_file_documents_every_parameter():
    comment, seen = [], set()
    for line in MCN_YAML.read_text().splitlines():
        if line.strip().startswith('#'):
            comment.append(line.strip(' #'))
            continue
        name = line.split(':')[0].strip()
        for full, declared in FIELDS.items():
            if name in (full, full.split('.')[-1]) and full not in seen and comment:
                text, meta = ' '.join(comment), declared.metadata
                seen.add(full)
                assert ('Live.' in text) == meta['live'], full
                assert all(str(limit) in text for limit in meta['limits']), full
                assert all(choice in text for choice in meta['choices']), full
                break
        comment = []
    assert seen == set(FIELDS)


def test_every_parameter_is_described(make_node):
    node = make_node()
    for name, declared in FIELDS.items():
        descriptor = node.describe_parameter(name)
        assert descriptor.description.endswith('.')
        assert descriptor.read_only != declared.metadata['live']
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        assert [(r.from_value, r.to_value) for r in ranges] == [declared.metadata['limits']] * len(
            ranges) and bool(ranges) == bool(declared.metadata['limits'])


@pytest.mark.parametrize('text, expected', [
    ('[a]', ('a',)), ('[a, b]', ('a', 'b')), ('a,b', ('a', 'b')), ('a', ('a',)), ('[]', ()),
    ("''", ()), ("'[a, b]'", ('a', 'b')), ('[0, 2]', ('0', '2')), ('0', ('0',))])
@pytest.mark.parametrize('name', LISTS)
def test_lists_on_the_command_line(make_node, name, text, expected):
    node = make_node(['-p', f'{name}:={text}'])
    parameters = read_parameters(node)
    head, _, key = name.rpartition('.')
    owner = parameters.of(head) if key in HEAD_FIELDS else parameters
    assert getattr(owner, FIELDS[name].name) == expected


@pytest.mark.parametrize('value, expected', [
    (['a', 'b'], ('a', 'b')), ([1, 2], ('1', '2')), ([], ()), ('', ()), (0, ('0',)),
    ('traffic light, car', ('traffic light', 'car'))])
def test_lists_at_run_time(make_node, value, expected):
    node = make_node()
    assert set_parameter(node, 'detection.classes', value).successful
    assert read_parameters(node).of('detection').classes == expected


@pytest.mark.parametrize('name, value, reason', [
    ('detection.score_threshold', 1.5, 'range'), ('pose.keypoint_threshold', -0.1, 'range'),
    ('max_detections', 0, 'range'), ('max_detections', 1001, 'range'),
    ('pose.score_threshold', 'high', 'type'), ('detection.classes', True, 'not a list'),
    ('weights', 'other', 'read-only'), ('heads', ['pose'], 'read-only')])
def test_wrong_values_are_rejected_with_the_reason(make_node, name, value, reason):
    node = make_node()
    result = set_parameter(node, name, value)
    assert not result.successful and reason in result.reason
    assert read_parameters(node) == STANDARD


@pytest.mark.parametrize('name, value, reason', [
    ('image_transport', 'theora', 'raw, compressed'), ('class_id_format', 'uuid', 'id, name'),
    ('normals.encoding', 'bgr8', '32FC3, rgb8'),
    ('heads', True, 'not a list'), ('detection.score_threshold', 1, 'DOUBLE'),
    ('max_detections', 0, 'range')])
def test_wrong_values_at_the_start_are_rejected(make_node, name, value, reason):
    with pytest.raises(ParameterException, match=reason):
        make_node(**{name: value})


def test_heads_of_the_weights_have_parameters_too(make_node):
    node = make_node(['-p', 'faces.score_threshold:=0.5', '-p', 'faces.classes:=[a]'])
    assert read_parameters(node) == STANDARD
    declare_head_parameters(node, build_tasks({
        'faces': {'kind': 'detection', 'classes': ['a', 'b']}, 'detection': {},
        'parts': {'kind': 'segmentation', 'classes': ['hand']}}))
    faces = read_parameters(node).of('faces')
    assert (faces.score_threshold, faces.classes) == (0.5, ('a',))
    assert not node.get_parameters_by_prefix('parts')
    assert not set_parameter(node, 'faces.score_threshold', 2.0).successful
    set_parameter(node, 'max_detections', 3)
    assert read_parameters(node).of('faces').max_detections == 3


def test_lines_have_the_threshold_of_their_weights(make_node):
    tasks = build_tasks({'boundaries': {'threshold': 0.25},
                         'seams': {'kind': 'boundaries', 'threshold': 0.75}})
    node = make_node(['-p', 'seams.threshold:=0.125'])
    declare_head_parameters(node, tasks)
    parameters = read_parameters(node)
    assert [parameters.of(name).threshold for name in tasks] == [0.25, 0.125]
    assert set_parameter(node, 'boundaries.threshold', 0.5).successful
    assert not set_parameter(node, 'boundaries.threshold', 1.5).successful
    assert read_parameters(node).of('boundaries').threshold == 0.5
