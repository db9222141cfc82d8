# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How fast networks, the predictor and the node are, and what memory a training step takes."""
