# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The learning rate over time."""

import math
from typing import Literal, Sequence

Schedule = Literal['cosine', 'step', 'constant']


def relative_rate(step: int, steps: int, warmup_steps: int, schedule: Schedule = 'cosine',
                  milestones: Sequence[int] = ()) -> float:
    """
    Return the learning rate of a batch relative to the highest, to which it rises evenly.

    :param step: number of batches before this one.
    :param steps: number of all batches.
    :param warmup_steps: number of batches until the rate is at its highest.
    :param schedule: from there it falls as half a cosine to zero, to a tenth at each milestone,
        or not.
    :param milestones: batches after which schedule 'step' goes down.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule == 'constant':
        return 1.0
    if schedule == 'step':
        return 0.1 ** sum(step >= milestone for milestone in milestones)
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
