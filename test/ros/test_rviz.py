# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What RViz is to show: pictures that are there, by names that every RViz reads."""

import copy
from pathlib import Path

import pytest
import yaml

from mcn_ros.data.results import describe
from mcn_ros.ros.rviz import show_cameras, show_heads
from mcn_ros.tasks import build_tasks, describe_tasks, TASKS

CONFIG = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / 'config' / 'mcn.rviz').read_text())

# What rviz2 reads of a display of images and of its topic. It passes over other names silently.
COMMON = {'Class', 'Name', 'Enabled', 'Value', 'Topic'}
DISPLAYS = {
    'rviz_default_plugins/Image': {'Normalize Range', 'Min Value', 'Max Value', 'Median window'},
    'rviz_default_plugins/MarkerArray': {'Namespaces'},
    'rviz_default_plugins/PointCloud2': {
        'Color Transformer', 'Channel Name', 'Position Transformer', 'Style', 'Size (Pixels)'},
    'rviz_default_plugins/Grid': set(), 'rviz_default_plugins/TF': set()}
# What costs much, what is much to look at, and what the default weights do not have.
OFF = {'Points', 'TF', 'Boundaries', 'Normals', 'Saliency', 'Parts', 'Semantic boundaries',
       'Foreground'}
FILTER = 'Filter size'  # of what is brought to the fixed frame
TOPIC = {'Value', 'Depth', 'History Policy', 'Reliability Policy', 'Durability Policy'}
POLICIES = {
    'History Policy': {'System Default', 'Keep Last', 'Keep All'},
    'Reliability Policy': {'System Default', 'Reliable', 'Best Effort'},
    'Durability Policy': {'System Default', 'Transient Local', 'Volatile'}}
CLASSES = {'rviz_common/Displays', 'rviz_common/Time', 'rviz_default_plugins/MoveCamera',
           'rviz_default_plugins/Orbit', 'rviz_default_plugins/TF', *DISPLAYS}
TOP = {'Panels', 'Visualization Manager', 'Window Geometry'}
MANAGER = {'Class', 'Displays', 'Enabled', 'Global Options', 'Name', 'Tools', 'Transformation',
           'Value', 'Views'}

# Name of a display -> topic of a head.
PICTURES = {'Semantic': 'semantic/color', 'Boundaries': 'boundaries/image',
            'Normals': 'normals/color', 'Saliency': 'saliency/image', 'Parts': 'parts/color',
            'Semantic boundaries': 'semantic_boundaries/color', 'Foreground': 'foreground/image'}
SPACE = {'Space': 'markers', 'Points': 'semantic/points'}  # the same of what is in space
SEVERAL = {'front': '/front/raw', '/rear': '/rear/image'}
CONFIGS = {
    'shipped': CONFIG,
    'one camera': show_cameras(CONFIG, 'mcn', {'': 'image'}, 'raw'),
    'several cameras': show_cameras(CONFIG, 'eye', SEVERAL, 'compressed')}
each = pytest.mark.parametrize('config', CONFIGS.values(), ids=CONFIGS)


def displays(config, key='Name'):
    return [each for each in config['Visualization Manager']['Displays'] if key in each]


def topics(config):
    return {display['Name']: display['Topic']['Value'] for display in displays(config, 'Topic')}


def pictures(config):
    return {display['Name'] for display in displays(config) if display['Class'].endswith('/Image')}


def enabled(config):
    return pictures(config) & {
        display['Name'] for display in displays(config) if display['Enabled']}


def classes(part):
    """Yield all names of classes in a part of a configuration."""
    if isinstance(part, dict):
        yield from [part['Class']] if part.get('Class') else []
        part = part.values()
    if not isinstance(part, str):
        for child in part or ():
            yield from classes(child) if isinstance(child, (dict, list)) else ()


@each
def test_names_are_those_that_rviz_reads(config):
    assert set(config) == TOP and set(config['Visualization Manager']) <= MANAGER
    assert set(classes(config)) == CLASSES
    for display in displays(config):
        off = any(display['Name'].endswith(name) for name in OFF)
        assert display['Enabled'] is display['Value'] is not off
        assert set(display) <= COMMON | DISPLAYS[display['Class']]
    for display in displays(config, 'Topic'):
        assert set(display['Topic']) - {FILTER} == TOPIC
        for policy, choices in POLICIES.items():
            assert display['Topic'][policy] in choices


@each
def test_every_panel_is_shown(config):
    geometry = config['Window Geometry']
    # Where a side is not mentioned, RViz hides it or not as chance will have it.
    assert geometry['Hide Left Dock'] is False and geometry['Hide Right Dock'] is False
    panels = {panel['Name'] for panel in config['Panels']} | pictures(config)
    assert {name for name, value in geometry.items() if isinstance(value, dict)} == panels
    assert all(geometry[name] == {'collapsed': False} for name in panels)


@each
def test_reliability_is_what_is_offered(config):
    for display in displays(config, 'Topic'):
        # Every camera offers best effort; the node itself publishes reliably.
        expected = 'Best Effort' if display['Name'].endswith('Camera') else 'Reliable'
        assert display['Topic']['Reliability Policy'] == expected


def test_the_shipped_one_is_for_a_node_with_one_camera():
    assert topics(CONFIG) == {'Camera': 'image', 'Overlay': 'mcn/overlay', **{
        name: f'mcn/{topic}' for name, topic in {**PICTURES, **SPACE}.items()}}
    # Those of the heads that the weights of the node have by default.
    assert enabled(CONFIG) == {'Camera', 'Overlay', 'Semantic'}
    assert CONFIGS['one camera'] == CONFIG


def test_all_is_shown_in_the_frame_of_the_results():
    config = show_cameras(CONFIG, 'mcn', {'': 'image'}, 'raw', 'odom')
    assert config['Visualization Manager']['Global Options']['Fixed Frame'] == 'odom'


def test_each_camera_has_its_displays():
    assert topics(CONFIGS['several cameras']) == {
        'front Camera': '/front/raw/compressed', 'rear Camera': '/rear/image/compressed', **{
            f'{camera} {name}': f'eye/{camera}/{topic}' for camera in ('front', 'rear')
            for name, topic in {'Overlay': 'overlay', **PICTURES, **SPACE}.items()}}
    names = [display['Name'] for display in displays(CONFIGS['several cameras'])]
    assert names.count('Grid') == names.count('TF') == 1


def test_pictures_of_the_heads_that_run_are_shown():
    tasks = build_tasks(dict.fromkeys(TASKS, {}))
    offered = {topic for head in describe(tasks, describe_tasks(tasks)).values()
               for topic in head.topics}
    assert set(PICTURES.values()) <= offered
    for heads, expected in (
            (['boundaries', 'normals'], {'Boundaries', 'Normals'}),
            (['segmentation', 'detection'], {'Semantic'}), (['pose', 'faces'], set())):
        assert enabled(show_heads(CONFIG, heads)) == {'Camera', 'Overlay', *expected}
    assert show_heads(CONFIG, []) == CONFIG


@pytest.mark.parametrize('transport, image, topic', [
    ('raw', '/eye', '/eye'), ('compressed', '/eye', '/eye/compressed'),
    ('compressed', '/eye/compressed', '/eye/compressed')])
def test_the_transport_is_the_end_of_the_topic(transport, image, topic):
    assert topics(show_cameras(CONFIG, 'mcn', {'': image}, transport))['Camera'] == topic


def test_the_original_is_left_alone():
    before = copy.deepcopy(CONFIG)
    show_cameras(CONFIG, 'eye', SEVERAL, 'raw')
    show_heads(CONFIG, ['pose'])
    assert CONFIG == before
