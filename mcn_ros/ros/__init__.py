# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The ROS 2 edge: the only code that imports rclpy or message packages."""
