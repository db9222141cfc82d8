# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What runs on the robot."""
