# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Activations that are computed a second time rather than kept.

Source: T. Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016, as UberNet uses it
(I. Kokkinos, CVPR 2017, section 4).
"""

from contextlib import contextmanager, nullcontext
from typing import Any, Iterator

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint


def recomputed(module: nn.Module, *inputs: Any) -> Any:
    """
    Run a module, keep its inputs and outputs only; backward runs it again.

    Results and gradients are those of ``module(*inputs)``, and so are the running statistics.
    """
    return checkpoint(module, *inputs, use_reentrant=False,
                      context_fn=lambda: (nullcontext(), _statistics_kept(module)))


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """Let batch norms run as before, but not add the batch to their statistics again."""
    norms = [norm for norm in module.modules()
             if isinstance(norm, _NormBase) and norm.num_batches_tracked is not None]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before):
            norm.momentum, norm.num_batches_tracked = momentum, count
