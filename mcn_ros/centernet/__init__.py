# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Public CenterNet checkpoints: to networks of this package, and back to their names."""

from mcn_ros.centernet.checkpoint import build_network, centernet_state, read_centernet

__all__ = ['build_network', 'centernet_state', 'read_centernet']
