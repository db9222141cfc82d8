# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What stands around the node: a camera that plays what there is, and listeners."""
