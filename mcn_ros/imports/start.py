# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Networks that public weights are filled in."""

import torch

from mcn_ros.model import ModelConfig, MultiTaskNet


def new_network(config: ModelConfig) -> MultiTaskNet:
    """Return a network whose weights are always the same: not all are in every file."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MultiTaskNet(config)
