# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Procedural scenes with exact labels: people and things in rooms, streets and parks."""

from mcn_ros.data.synthetic.scenes import Scene, scene

__all__ = ['Scene', 'scene']
