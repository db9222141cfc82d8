# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Training: the loop and its steps."""
