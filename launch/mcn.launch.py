# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Start the node, and RViz if asked to; `ros2 launch mcn_ros mcn.launch.py -s` lists arguments."""

import os

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler, SetEnvironmentVariable, Shutdown)
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

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
        'precision', default_value='', choices=['auto', 'float32', 'float16', 'bfloat16', ''],
        description='Precision of the network' + UNSET),
    DeclareLaunchArgument(
        'autostart', default_value='', choices=BOOL + [''],
        description='Whether the node configures and activates itself' + UNSET),
    DeclareLaunchArgument(
        'params_file', default_value=PathJoinSubstitution([SHARE, 'config', 'mcn.yaml']),
        description='Parameters of the node'),
    DeclareLaunchArgument(
        'namespace', default_value='', description='Namespace of the node'),
    DeclareLaunchArgument(
        'use_sim_time', default_value='false', choices=BOOL,
        description='Whether the time is that of /clock, as for a bag played with --clock'),
    DeclareLaunchArgument(
        'rviz', default_value='false', choices=BOOL, description='Whether to start RViz'),
    DeclareLaunchArgument(
        'log_level', default_value='info', choices=['debug', 'info', 'warn', 'error', 'fatal'],
        description='Least severity of messages that are logged'),
]

# Arguments that are parameters of the node.
LISTS = ['heads', 'cameras']
STRINGS = ['weights', 'image_transport', 'device', 'backend', 'precision']

# By default, Fast DDS loses most camera images that are sent with best effort.
PROFILES = 'FASTDDS_DEFAULT_PROFILES_FILE'
TRANSPORT_CHOICES = [PROFILES, 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_BUILTIN_TRANSPORTS']


def generate_launch_description():
    """Return the launch description."""
    actions = [*ARGUMENTS, OpaqueFunction(function=start_nodes)]
    if not any(os.environ.get(name) for name in TRANSPORT_CHOICES):
        actions.insert(0, SetEnvironmentVariable(
            PROFILES, PathJoinSubstitution([SHARE, 'config', 'fastdds.xml'])))
    return LaunchDescription(actions)


def start_nodes(context):
    """Return the node with the arguments that were given, what follows its end, and RViz."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context)
             for argument in ARGUMENTS}
    if not os.path.isfile(given['params_file']):  # launch_ros would only warn
        raise ValueError(f'params_file: no such file: {given["params_file"]}')
    parameters = {name: ParameterValue(given[name], value_type=str)
                  for name in STRINGS if given[name]}
    parameters.update({name: split(given[name]) for name in LISTS if given[name]})
    parameters.update({name: given[name] == 'true'
                       for name in ('autostart', 'use_sim_time') if given[name]})
    remappings = remap_images(given['image'], split(given['cameras']))
    # As a lifecycle node, it lets other launch files wait until it is active.
    node = LifecycleNode(
        package='mcn_ros', executable='mcn_node', name='mcn', namespace=given['namespace'],
        parameters=[given['params_file'], parameters],
        remappings=remappings,
        ros_arguments=['--log-level', given['log_level']], output='screen')
    actions = [node, RegisterEventHandler(OnProcessExit(target_action=node, on_exit=end))]
    if given['rviz'] == 'true':
        # It comes first: where it is not installed, the launch ends before the node is there.
        actions.insert(0, Node(
            package='rviz2', executable='rviz2', name='rviz2', namespace=given['namespace'],
            arguments=['-d', PathJoinSubstitution([SHARE, 'config', 'mcn.rviz'])],
            parameters=[{'use_sim_time': given['use_sim_time'] == 'true'}],
            remappings=remappings))
    return actions


def split(text):
    """Return the names in a list such as [a,b]; the brackets may be left out."""
    return [name.strip() for name in text.strip('[] ').split(',') if name.strip()]


def remap_images(image, cameras):
    """Return the remappings of the image topics."""
    if not image:
        return []
    if not cameras:
        return [('image', image)]
    if '{camera}' not in image:
        raise ValueError(f'image: with several cameras, {{camera}} has to be part of {image!r}')
    return [(f'{name}/image', image.replace('{camera}', name.strip('/'))) for name in cameras]


def end(event, context):
    """End the launch with the node; with an error, if the node ended with one."""
    if context.is_shutdown:
        return []
    if event.returncode:
        raise RuntimeError(f'mcn_node has ended with exit code {event.returncode}')
    return Shutdown(reason='mcn_node has ended')
