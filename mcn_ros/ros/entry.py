# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The entry of the executables of ROS.

Their imports, of PyTorch and rclpy, take seconds. A signal that comes meanwhile ends the process
with the exit code that it would have later, and without a traceback of some library.
"""

from importlib import import_module
import os
from pathlib import Path
import signal
import sys

MODULES = {'mcn_node': 'mcn_ros.ros.node.mcn_node',
           'camera_player': 'mcn_ros.ros.tools.camera_player',
           'recorder': 'mcn_ros.ros.tools.recorder'}


def main() -> int:
    """Run the executable whose name the process has; return its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    return import_module(MODULES[Path(sys.argv[0]).name]).main()
