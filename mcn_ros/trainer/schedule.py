# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The learning rate over time."""

import math

from mcn_ros.trainer.config import TrainConfig


def relative_rate(step: int, config: TrainConfig) -> float:
    """Return the learning rate after ``step`` batches, relative to the highest."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == 'constant':
        return 1.0
    if config.schedule == 'step':
        return 0.1 ** sum(step >= milestone for milestone in config.milestones)
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
