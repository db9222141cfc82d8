# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What every loop that learns needs, with labels or without: rate, clean stop, checkpoints."""
