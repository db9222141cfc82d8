# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Start the node, and RViz if asked to; `ros2 launch mcn_ros mcn.launch.py -s` lists arguments.

With the node its RViz ends, and nothing else: whatever a launch file that includes this one has
started goes on, unless `on_exit_shutdown` is true. Neither default values nor the transport reach
that launch file; what it passes on itself is seen by its later includes, unless it includes this
file in a GroupAction.
"""

import math
import os
from pathlib import Path
import tempfile

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument, EmitEvent, GroupAction, OpaqueFunction, RegisterEventHandler,
    SetEnvironmentVariable, Shutdown)
from launch.event_handlers import OnProcessExit
from launch.events import matches_action
from launch.events.process import ShutdownProcess
from launch.logging import launch_config
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
from launch_ros.utilities import make_namespace_absolute, prefix_namespace
import yaml

from mcn_ros.ros.rviz import show_cameras, show_heads
from mcn_ros.ros.transport import default_transport

SHARE = FindPackageShare('mcn_ros')
BOOL = ['true', 'false']
UNSET = "; '' for the value in params_file"

ARGUMENTS = [
    DeclareLaunchArgument(
        'heads', default_value='',
        description='Heads to run, such as [detection,pose,segmentation]' + UNSET),
    DeclareLaunchArgument(
        'image', default_value='',
        description='Topic of the images; with several cameras a pattern such as '
        "/{camera}/image_raw; '' for image or {camera}/image"),
    DeclareLaunchArgument(
        'weights', default_value='',
        description='Weights file, a path or the name of shipped weights' + UNSET),
    DeclareLaunchArgument(
        'cameras', default_value='',
        description='Names of several cameras, such as [front,rear]' + UNSET),
    DeclareLaunchArgument(
        'image_transport', default_value='', choices=['raw', 'compressed', ''],
        description='Whether images come as Image or as CompressedImage' + UNSET),
    DeclareLaunchArgument(
        'device', default_value='', description='auto, cpu, cuda or cuda:N' + UNSET),
    DeclareLaunchArgument(
        'backend', default_value='', choices=[
            'auto', 'torch', 'torch_compile', 'cuda_graph', 'onnxruntime', 'openvino', ''],
        description='What runs the network' + UNSET),
    DeclareLaunchArgument(
        'precision', default_value='', choices=[
            'auto', 'float32', 'float16', 'bfloat16', 'int8', ''],
        description='Precision of the network' + UNSET),
    DeclareLaunchArgument(
        'calibration', default_value='',
        description='Images that the precision int8 needs: a folder, a video or a bag' + UNSET),
    DeclareLaunchArgument(
        'autostart', default_value='', choices=BOOL + [''],
        description='Whether the node configures and activates itself' + UNSET),
    DeclareLaunchArgument(
        'tracking', default_value='', choices=BOOL + [''],
        description='Whether objects and people have ids that they keep' + UNSET),
    DeclareLaunchArgument(
        'depth', default_value='',
        description='Topic of depth images, registered to the images, with camera_info beside it; '
        'for results in space; with several cameras a pattern such as /{camera}/depth' + UNSET),
    DeclareLaunchArgument(
        'points', default_value='',
        description='Topic of organised clouds likewise, instead of depth images' + UNSET),
    DeclareLaunchArgument(
        'target_frame', default_value='',
        description='Frame of the results in space, such as odom' + UNSET),
    DeclareLaunchArgument(
        'params_file', default_value=PathJoinSubstitution([SHARE, 'config', 'mcn.yaml']),
        description='Parameters of the node'),
    DeclareLaunchArgument(
        'namespace', default_value='', description='Namespace of the node'),
    DeclareLaunchArgument(
        'node_name', default_value='mcn',
        description='Name of the node; two of one namespace need different ones'),
    DeclareLaunchArgument(
        'use_sim_time', default_value='false', choices=BOOL,
        description='Whether the time is that of /clock, as for a bag played with --clock'),
    DeclareLaunchArgument(
        'rviz', default_value='false', choices=BOOL,
        description='Whether to start RViz, which shows all cameras and ends with the node'),
    DeclareLaunchArgument(
        'respawn', default_value='false', choices=BOOL,
        description='Whether to start the node again when it has ended'),
    DeclareLaunchArgument(
        'respawn_delay', default_value='2.0',
        description='Seconds until the node is started again'),
    DeclareLaunchArgument(
        'on_exit_shutdown', default_value='false', choices=BOOL,
        description='Whether the whole launch ends with the node, with an error if that has '
        'failed; not together with respawn'),
    DeclareLaunchArgument(
        'log_level', default_value='info', choices=['debug', 'info', 'warn', 'error', 'fatal'],
        description='Least severity of messages that are logged'),
]

# Arguments that are parameters of the node.
LISTS = ['heads', 'cameras']
STRINGS = ['weights', 'image_transport', 'device', 'backend', 'precision', 'calibration',
           'target_frame']


def generate_launch_description():
    """Return the launch description."""
    # The group keeps what is set here from the launch file that includes this one.
    return LaunchDescription([GroupAction([*ARGUMENTS, OpaqueFunction(function=start)])])


def start(context):
    """Return the transport, RViz if asked for, the node, and what follows its end."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context)
             for argument in ARGUMENTS}
    check(given)
    read = read_parameters(given['params_file'], full_name(context, given))
    cameras = split(given['cameras'] or read.get('cameras', ''))
    images = name_topics('image', given['image'], cameras)
    source, inputs = name_depth(given, cameras)
    node = run_node(given, source, [*images.values(), *inputs])
    actions = [SetEnvironmentVariable(*variable)
               for variable in default_transport(context.environment).items()]
    rviz = None
    if given['rviz'] == 'true':
        template = Path(SHARE.perform(context)) / 'config' / 'mcn.rviz'
        transport = given['image_transport'] or read.get('image_transport')
        heads = split(given['heads'] or read.get('heads', ''))
        frame = given['target_frame'] or read.get('target_frame', '')
        rviz = run_rviz(given, template, images, transport, heads, frame)
        # It comes first: where it is not installed, the launch ends before the node is there.
        actions.append(rviz)
    actions.append(node)
    if given['respawn'] != 'true':
        actions.append(RegisterEventHandler(OnProcessExit(
            target_action=node, on_exit=lambda event, context: end(
                event, context, rviz, given['on_exit_shutdown'] == 'true'))))
    return actions


def check(given):
    """
    Check what launch_ros would let pass, or refuse without the name of the argument.

    :raises ValueError: for what is wrong.
    """
    if not os.path.isfile(given['params_file']):
        raise ValueError(f'params_file: no such file: {given["params_file"]}')
    try:
        delay = float(given['respawn_delay'])
    except ValueError:
        delay = math.nan
    if not 0 <= delay < math.inf:
        raise ValueError(f'respawn_delay: {given["respawn_delay"]!r} is no number of seconds')
    if given['respawn'] == given['on_exit_shutdown'] == 'true':
        raise ValueError('on_exit_shutdown: with respawn, the node has no end that could be meant')


def full_name(context, given):
    """Return the name of the node with its namespace, where includes may have pushed others."""
    pushed = context.launch_configurations.get('ros_namespace')
    namespace = make_namespace_absolute(prefix_namespace(pushed, given['namespace']))
    return f'{(namespace or "").rstrip("/")}/{given["node_name"]}'


def read_parameters(path, node):
    """Return what a file of parameters has for a node; what is wrong in it the node will tell."""
    with open(path, encoding='utf-8') as file:
        content = yaml.safe_load(file)
    parameters = {}
    for name in ('/**', node.removeprefix('/'), node):
        section = content.get(name) if isinstance(content, dict) else None
        found = section.get('ros__parameters') if isinstance(section, dict) else None
        parameters.update(found if isinstance(found, dict) else {})
    return parameters


def run_node(given, source, inputs):
    """
    Return the node with the arguments that were given.

    :param source: of depth, '' for the one that the parameters have.
    :param inputs: topics of the node, and those that they come on.
    """
    parameters = {name: ParameterValue(given[name], value_type=str)
                  for name in STRINGS if given[name]}
    parameters.update({name: split(given[name]) for name in LISTS if given[name]})
    parameters.update({name: given[name] == 'true'
                       for name in ('autostart', 'use_sim_time', 'tracking') if given[name]})
    parameters.update({'depth.source': source} if source else {})
    # As a lifecycle node, it lets other launch files wait until it is active.
    return LifecycleNode(
        package='mcn_ros', executable='mcn_node', name=given['node_name'],
        namespace=given['namespace'], parameters=[given['params_file'], parameters],
        remappings=[(topic, other) for topic, other in inputs if topic != other],
        ros_arguments=['--log-level', given['log_level']], output='screen',
        respawn=given['respawn'] == 'true', respawn_delay=float(given['respawn_delay']))


def run_rviz(given, template, images, transport, heads, frame):
    """Return RViz in the namespace of the node, with a configuration that is made for it."""
    config = show_heads(yaml.safe_load(template.read_text()), heads)
    config = show_cameras(config, given['node_name'],
                          {camera: image for camera, (_, image) in images.items()}, transport,
                          frame)
    # Beside the log of this launch: RViz reads it again when the user asks to.
    with tempfile.NamedTemporaryFile('w', dir=launch_config.log_dir, prefix='mcn_',
                                     suffix='.rviz', delete=False) as file:
        yaml.safe_dump(config, file, sort_keys=False)
    return Node(
        package='rviz2', executable='rviz2', name=f'{given["node_name"]}_rviz',
        namespace=given['namespace'], arguments=['-d', file.name],
        parameters=[{'use_sim_time': given['use_sim_time'] == 'true'}])


def split(names):
    """Return the names in a list, which may be text such as [a,b] or a,b."""
    if not isinstance(names, list):
        names = str(names).strip('[] ').split(',')
    return [str(name).strip() for name in names if str(name).strip()]


def name_topics(name, given, cameras):
    """
    Return camera -> a topic of the node that it listens to, and the topic that this comes on.

    :param name: of the topic.
    :param given: the topic that is asked for, '' for none; with cameras, a pattern.
    :raises ValueError: if several cameras would have one topic.
    """
    if not cameras:
        return {'': (name, given or name)}
    if given and '{camera}' not in given:
        raise ValueError(f'{name}: with several cameras, {{camera}} has to be part of {given!r}')
    topics = {camera: f'{camera}/{name}' for camera in cameras}
    return {camera: (topic, given.replace('{camera}', camera.strip('/')) or topic)
            for camera, topic in topics.items()}


def name_depth(given, cameras):
    """
    Return what tells depth, '' if nothing is given, and topics of the node with where they come.

    :raises ValueError: for two sources, and if several cameras would have one topic.
    """
    if given['depth'] and given['points']:
        raise ValueError('points: there is depth already, one of them tells how far things are')
    if given['points']:
        return 'points', list(name_topics('points', given['points'], cameras).values())
    if not given['depth']:
        return '', []
    # As image_transport has it, what is known of the camera is beside the images.
    folder, slash, _ = given['depth'].rpartition('/')
    if cameras and '{camera}' not in folder:
        raise ValueError(f'depth: with several cameras, {{camera}} has to be in the name before '
                         f'the last / of {given["depth"]!r}, where camera_info is')
    return 'image', [
        *name_topics('depth', given['depth'], cameras).values(),
        *name_topics('depth_info', f'{folder}{slash}camera_info', cameras).values()]


def end(event, context, rviz, whole):
    """End RViz with the node, or the whole launch; with an error, if the node has failed."""
    if context.is_shutdown:
        return []
    if whole and event.returncode:
        raise RuntimeError(f'mcn_node has ended with exit code {event.returncode}')
    if whole:
        return Shutdown(reason='mcn_node has ended')
    return [EmitEvent(event=ShutdownProcess(process_matcher=matches_action(rviz)))] if rviz else []
