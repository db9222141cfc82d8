# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The robot of test/ros, for what tries the node."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

spec = spec_from_file_location(
    'robot', Path(__file__).resolve().parents[1] / 'ros' / 'conftest.py')
robot = module_from_spec(spec)
spec.loader.exec_module(robot)
ros, world = robot.ros, robot.world
