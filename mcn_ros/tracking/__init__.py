# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Ids that objects keep from frame to frame.

:mod:`kalman` says where an object will be, :mod:`association` which one of a frame it is, and
:mod:`tracker` what follows from that: when ids begin and end.
"""

from mcn_ros.tracking.tracker import id_prefix, Thresholds, Tracker

__all__ = ['id_prefix', 'Thresholds', 'Tracker']
