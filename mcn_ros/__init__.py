# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
MultiTask-CenterNet for ROS 2.

One network looks at each camera frame once and gives object detections, human poses and a
semantic image (Heuer et al., "MultiTask-CenterNet", ICCV Workshops 2021).
"""

__version__ = '0.1.0'
