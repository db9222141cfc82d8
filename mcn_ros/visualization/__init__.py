# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of predictions (and of annotations, which have the same types)."""

from mcn_ros.visualization.draw import draw, DRAWINGS, OPAQUE
from mcn_ros.visualization.poses import LEFT, RIGHT
from mcn_ros.visualization.sheet import contact_sheet

__all__ = ['contact_sheet', 'draw', 'DRAWINGS', 'LEFT', 'OPAQUE', 'RIGHT']
