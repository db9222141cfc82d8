# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A launch file that includes the node twice, beside others; test_two_nodes.py runs it."""

import os
import signal
import time
import unittest

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument, ExecuteProcess, GroupAction, IncludeLaunchDescription)
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare
from launch_testing.actions import ReadyToTest
from launch_testing_ros import WaitForTopics
from vision_msgs.msg import Detection2DArray

LAUNCH_FILE = PathJoinSubstitution([FindPackageShare('mcn_ros'), 'launch', 'mcn.launch.py'])
PATIENCE_S = 120  # starting Python with PyTorch takes long on a busy machine


def include(**arguments):
    """Return the node."""
    return IncludeLaunchDescription(LAUNCH_FILE, launch_arguments={
        'weights': LaunchConfiguration('weights'), 'backend': 'torch', **arguments}.items())


def generate_test_description():
    """Return a camera, a node for it, another one that is respawned, and what comes after them."""
    return LaunchDescription([
        DeclareLaunchArgument('weights'),
        Node(package='mcn_ros', executable='camera_player', namespace='camera',
             parameters=[{'width': 96, 'height': 64, 'rate': 10.0}]),
        GroupAction([include(node_name='eye', namespace='left', image='/camera/image',
                             heads='[detection]')]),
        include(namespace='right', image='/camera/image', respawn='true', respawn_delay='0.1'),
        ExecuteProcess(output='screen', cmd=[
            'sh', '-c', 'echo "profiles: $FASTDDS_DEFAULT_PROFILES_FILE."; exec sleep 600',
            LaunchConfiguration('params_file', default='no params_file'),
            LaunchConfiguration('node_name', default='no node_name')]),
        ReadyToTest()])


def named(processes, text):
    """Return the process with a text in its command."""
    found, = (process for process in processes
              if any(text in word for word in process.process_details['cmd']))
    return found


class TestTwoNodes(unittest.TestCase):
    """The nodes, and how little one is to the other."""

    def hear(self, topic):
        with WaitForTopics([(topic, Detection2DArray)], timeout=PATIENCE_S):
            pass

    def test_both_publish(self):
        self.hear('/left/eye/detections')
        self.hear('/right/mcn/detections')

    def test_arguments_are_of_one_node_alone(self, proc_output):
        proc_output.assertWaitFor('heads detection on', stream='stderr', timeout=PATIENCE_S)
        proc_output.assertWaitFor('heads detection, pose, segmentation on', stream='stderr',
                                  timeout=PATIENCE_S)

    def test_defaults_and_transport_stay_inside(self, proc_output, proc_info):
        proc_output.assertWaitFor('profiles: .', stream='stdout', timeout=PATIENCE_S)
        command = named(proc_info.processes(), 'profiles').process_details['cmd']
        assert command[-2:] == ['no params_file', 'no node_name']

    def test_a_node_that_is_killed_comes_back_and_publishes(self, proc_info):
        self.hear('/right/mcn/detections')
        process = named(proc_info.processes(), '__ns:=/right')
        pid = process.process_details['pid']
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + PATIENCE_S
        while process.process_details['pid'] == pid:
            assert time.monotonic() < end, 'it does not come back'
            time.sleep(0.1)
        self.hear('/right/mcn/detections')

    def test_the_end_of_one_is_not_that_of_another(self, proc_info):
        self.hear('/left/eye/detections')
        process = named(proc_info.processes(), '__ns:=/left')
        os.kill(process.process_details['pid'], signal.SIGKILL)
        proc_info.assertWaitForShutdown(process, timeout=PATIENCE_S)
        assert proc_info[process].returncode == -signal.SIGKILL
        self.hear('/right/mcn/detections')
        assert not hasattr(proc_info[named(proc_info.processes(), 'profiles')], 'returncode')
