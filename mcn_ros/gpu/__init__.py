# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Checks of a machine with a GPU: that networks are right there, and what faults leave."""
