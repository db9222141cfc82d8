# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The ROS 2 edge: with mcn_ros.trials, the only code that imports rclpy or message packages.

``node`` has what runs on the robot, ``tools`` what stands around it.

An executable takes seconds to import PyTorch and rclpy, more on a machine that is busy. Who asks
for its end meanwhile gets the exit code of later, and no traceback of some library.
"""

import os
import signal
import sys

EXECUTABLES = ('mcn_node', 'camera_player', 'recorder')

if os.path.basename(sys.argv[0]) in EXECUTABLES:
    for _number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_number, lambda *_: os._exit(0))
