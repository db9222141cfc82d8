# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What tries the node: hostile messages, too many of them, and nodes that tell how they fare."""
