# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Play a bag through the node; `ros2 launch mcn_ros replay.launch.py -s` lists arguments.

The bag is played by `ros2 bag play` where that is installed, else by the package's own player,
when the node listens. The time is that of the bag, and jumps back when a loop starts again.
"""

import json
from pathlib import Path

from ament_index_python.packages import get_package_prefix, PackageNotFoundError
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, OpaqueFunction,
    RegisterEventHandler, SetEnvironmentVariable, Shutdown, TimerAction)
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.ros_adapters import get_ros_node
from launch_ros.substitutions import FindPackageShare

from mcn_ros.data.bags import Bag
from mcn_ros.data.frames import image_topics
from mcn_ros.ros.transport import default_transport

SHARE = FindPackageShare('mcn_ros')
BOOL = ['true', 'false']
UNSET = "; '' for the value in params_file"
CLOCK_HZ = 100
LOOK_S = 0.2  # between looks whether the node listens
LAST_RESULTS_S = 5.0  # after the last image, in which its results are still recorded

ARGUMENTS = [
    DeclareLaunchArgument('bag', description='Bag to play: a folder or a file'),
    DeclareLaunchArgument(
        'topic', default_value='',
        description="Topic of the images in the bag, Image or CompressedImage; '' for the only "
        'one'),
    DeclareLaunchArgument(
        'rate', default_value='1.0',
        description='How many times faster than it was recorded the bag is played'),
    DeclareLaunchArgument(
        'loop', default_value='false', choices=BOOL,
        description='Whether to start again at the end, rather than to end the launch'),
    DeclareLaunchArgument(
        'record', default_value='',
        description="Folder of a new bag, to record the results into; '' for none. "
        '`evaluate_bag --recording` scores it'),
    DeclareLaunchArgument(
        'rviz', default_value='false', choices=BOOL, description='Whether to start RViz'),
    DeclareLaunchArgument(
        'heads', default_value='',
        description='Heads to run, such as [detection,pose,segmentation]' + UNSET),
    DeclareLaunchArgument(
        'weights', default_value='',
        description='Weights file, a path or the name of shipped weights' + UNSET),
    DeclareLaunchArgument(
        'device', default_value='', description='auto, cpu, cuda or cuda:N' + UNSET),
    DeclareLaunchArgument(
        'params_file', default_value=PathJoinSubstitution([SHARE, 'config', 'mcn.yaml']),
        description='Parameters of the node'),
    DeclareLaunchArgument(
        'namespace', default_value='', description='Namespace of the node'),
    DeclareLaunchArgument(
        'log_level', default_value='info', choices=['debug', 'info', 'warn', 'error', 'fatal'],
        description='Least severity of messages that are logged'),
]

# Arguments that the launch file of the node takes as they are.
PASSED_ON = ['rviz', 'heads', 'weights', 'device', 'params_file', 'namespace', 'log_level']


def generate_launch_description():
    """Return the launch description."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])


def start(context):
    """Return the node, and what plays and records when it is active."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context)
             for argument in ARGUMENTS}
    topic, compressed = find_images(given['bag'], given['topic'])
    image = topic.removesuffix('/compressed') if compressed else topic
    player = play(given, topic, image, compressed)
    node = IncludeLaunchDescription(
        PathJoinSubstitution([SHARE, 'launch', 'mcn.launch.py']),
        launch_arguments={
            'image': image, 'image_transport': 'compressed' if compressed else 'raw',
            'use_sim_time': 'true', 'on_exit_shutdown': 'true',
            **{name: given[name] for name in PASSED_ON}}.items())
    actions = [*(SetEnvironmentVariable(*variable)
                 for variable in default_transport(context.environment).items()),
               RegisterEventHandler(OnProcessExit(target_action=player, on_exit=end)), node]
    if given['record']:
        actions.append(record(given, topic, image))
    if isinstance(player, Node):  # our own player waits by itself
        return actions + [player]
    sent_to = f'{image}/compressed' if compressed else image
    return actions + [OpaqueFunction(function=play_when_heard, args=[player, sent_to])]


def play_when_heard(context, player, topic):
    """
    Return the player when the node listens to the images, else what looks again.

    Its transition to active could be missed: nothing tells that to a launch that finds it late.
    """
    listeners = get_ros_node(context).get_subscriptions_info_by_topic(topic)
    if any(listener.node_name == 'mcn' for listener in listeners):
        return [player]
    return [TimerAction(period=LOOK_S, actions=[
        OpaqueFunction(function=play_when_heard, args=[player, topic])])]


def find_images(bag, topic):
    """Return the topic of the images, and whether they are compressed."""
    with Bag(Path(bag).expanduser()) as opened:
        topic, = image_topics(opened, [topic] if topic else ())
        return topic, all(kind.endswith('/CompressedImage') for kind in opened.topics[topic])


def play(given, topic, image, compressed):
    """Return the player: the whole bag where that is possible, else its images."""
    loop = given['loop'] == 'true'
    if is_installed('ros2bag'):
        sent_to = f'{image}/compressed' if compressed else image
        return ExecuteProcess(
            cmd=['ros2', 'bag', 'play', given['bag'], '--clock', str(CLOCK_HZ),
                 '--rate', given['rate'], *(['--loop'] if loop else []),
                 *(['--remap', f'{topic}:={sent_to}'] if topic != sent_to else [])],
            output='screen')
    return Node(
        package='mcn_ros', executable='camera_player', name='camera_player',
        namespace=given['namespace'], remappings=[('image', image)], output='screen',
        parameters=[{
            'source': text(given['bag']), 'topic': text(topic), 'loop': loop,
            'speed': float(given['rate']), 'stamps': 'source',
            'image_transport': 'compressed' if compressed else 'raw',
            'clock': float(CLOCK_HZ), 'wait_for_subscribers': 1,
            'source_stamps': bool(given['record'])}])


def record(given, topic, image):
    """Return the recorder."""
    notes = {'bag': str(Path(given['bag']).expanduser().resolve()), 'topic': topic,
             'weights': given['weights'], 'speed': float(given['rate'])}
    return Node(
        package='mcn_ros', executable='recorder', name='recorder', namespace=given['namespace'],
        remappings=[('image', image)], output='screen',
        parameters=[{'out': text(given['record']), 'notes': text(json.dumps(notes)),
                     'use_sim_time': True}])


def text(value):
    """Return a parameter that remains a string, whatever it looks like."""
    return ParameterValue(value, value_type=str)


def is_installed(package):
    """Return whether a ROS package is there."""
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True


def end(event, context):
    """End the launch a while after the player; with an error, if that ended with one."""
    if context.is_shutdown:
        return []
    if event.returncode:
        raise RuntimeError(f'the player has ended with exit code {event.returncode}')
    return TimerAction(period=LAST_RESULTS_S,
                       actions=[Shutdown(reason='the bag has been played')])
