# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""From pixels to space: depth and the models of cameras, objects and joints in metres."""
