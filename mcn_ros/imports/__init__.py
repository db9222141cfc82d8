# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Public weights of other networks, one per file: to networks of this package."""
