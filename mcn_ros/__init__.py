# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
MultiTask-CenterNet for ROS 2.

One network looks at each camera frame once and gives object detections, human poses and a
semantic image (Heuer et al., "MultiTask-CenterNet", ICCV Workshops 2021).

The modules that ``MCN_ROS_PLUGINS`` names, separated by commas, are imported with it: they add
tasks, and types, to its tables.
"""

from importlib import import_module
import os

__version__ = '0.1.0'

for _name in filter(None, os.environ.get('MCN_ROS_PLUGINS', '').split(',')):
    try:
        import_module(_name)
    except ImportError as error:
        raise ImportError(f'MCN_ROS_PLUGINS: {_name}: {error}') from error
