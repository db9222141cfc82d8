# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How cuDNN and cuBLAS compute on a GPU of NVIDIA; these settings are those of the process."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def cudnn_settings(tf32: bool, fixed_size: bool) -> Iterator[None]:
    """
    Compute float32 as it is asked for, and choose algorithms for the sizes that there are.

    :param tf32: round what float32 layers multiply to the 10 bits of TF32, which is faster. By
        default PyTorch does so in convolutions, which are then off by 1e-3.
    :param fixed_size: whether inputs are of one size, or few: it is worth trying algorithms then.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark
    cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark = tf32, tf32, fixed_size
    try:
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark = before
