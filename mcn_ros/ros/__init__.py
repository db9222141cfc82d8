# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The ROS 2 edge: with mcn_ros.trials, the only code that imports rclpy or message packages.

``node`` has what runs on the robot, ``tools`` what stands around it.
"""
