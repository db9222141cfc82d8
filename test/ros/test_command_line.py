# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What users write behind an executable: help, what it does not know, and names that are wrong."""

import os
import subprocess
import sys

import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter

from mcn_ros.ros.command_line import warn_of_unknown_parameters
from mcn_ros.ros.node import mcn_node
from mcn_ros.ros.node.parameters import FIELDS
from mcn_ros.ros.tools import camera_player, recorder

MAINS = {'mcn_node': (mcn_node.main, FIELDS),
         'camera_player': (camera_player.main, camera_player.PARAMETERS),
         'recorder': (recorder.main, recorder.PARAMETERS)}


@pytest.mark.parametrize('arguments', [['--help'], ['-h'], ['--ros-args', '-p', 'a:=1', '--help']])
@pytest.mark.parametrize('name', MAINS)
def test_the_help_has_all_parameters_and_ends(name, arguments, capsys):
    main, parameters = MAINS[name]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert told.startswith(f'usage: {name} ') and '--ros-args [-p NAME:=VALUE]' in told
    assert all(f'\n  {parameter} (default: ' in told for parameter in parameters)


@pytest.mark.parametrize('arguments', [['bag'], ['--ros-args', '-p', 'a:=1', '--', '--rate', '5']])
@pytest.mark.parametrize('name', MAINS)
def test_what_is_no_argument_of_ros_is_refused(name, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        MAINS[name][0](arguments)
    assert ended.value.code == 2
    assert f'unrecognized arguments: {" ".join(arguments[-2:])}' in capsys.readouterr().err


@pytest.mark.parametrize('arguments, problem', [
    (['--ros-args', '--nope'], "unknown arguments of ROS: ['--nope']"),
    (['--ros-args', '-p', 'out'], "Couldn't parse parameter override rule: '-p out'"),
    (['--ros-args', '--params-file', '/none'], "Couldn't parse params file")])
def test_wrong_arguments_of_ros_are_an_error(arguments, problem, capfd):
    assert recorder.main(arguments) == 1
    told = capfd.readouterr().err
    assert 'Traceback' not in told and problem in told.splitlines()[-1]


@pytest.mark.parametrize('variables', [{}, {'ROS_LOG_DIR': '/proc'}])
def test_logs_that_cannot_be_written_are_one_line(variables):
    """Without a home, or in a folder that takes no files."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ('HOME', 'ROS_HOME', 'ROS_LOG_DIR')}
    ended = subprocess.run([sys.executable, '-m', 'mcn_ros.ros.tools.recorder'], text=True,
                           timeout=120,
                           capture_output=True, env={**environment, **variables})
    line, = ended.stderr.splitlines()
    assert ended.returncode == 1 and 'ERROR' in line and 'set ROS_LOG_DIR to a folder' in line


def test_a_parameter_that_is_misspelt_is_told_with_the_nearest(ros, capfd):
    node = Node('spelt', cli_args=['--ros-args', '-p', 'score.treshold:=0.5'],
                parameter_overrides=[Parameter(name, value=1) for name in (
                    'rate', 'zzz', 'qos_overrides./imgae.subscription.depth')])
    try:
        for name in ('score.threshold', 'rate', 'qos_overrides./image.subscription.depth'):
            node.declare_parameter(name, 0.5 if '.th' in name else 1)
        warn_of_unknown_parameters(node)
        told = capfd.readouterr().err
        assert ('parameter score.treshold: this node has none of that name; is score.threshold '
                'meant?\n') in told
        assert 'parameter zzz: this node has none of that name\n' in told
        assert len(told.splitlines()) == 2
        warn_of_unknown_parameters(node, lambda name: name.startswith('qos'))
        line, = capfd.readouterr().err.splitlines()
        assert 'is qos_overrides./image.subscription.depth meant?' in line
    finally:
        node.destroy_node()


def test_the_node_tells_of_parameters_and_topics_that_it_does_not_have(world, capfd):
    world.start(**{'detection.score_treshold': 0.9,
                   'qos_overrides./imgae.subscription.reliability': 'reliable',
                   'qos_overrides./image.subscription.reliability': 'reliable'})
    warnings = [line for line in capfd.readouterr().err.splitlines() if 'none of that' in line]
    assert len(warnings) == 2
    assert 'detection.score_treshold' in warnings[0]
    assert 'is detection.score_threshold meant?' in warnings[0]
    assert 'is qos_overrides./image.subscription.reliability meant?' in warnings[1]
