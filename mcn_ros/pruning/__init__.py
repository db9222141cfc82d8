# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Networks with fewer channels that start from what a wider one knows."""
