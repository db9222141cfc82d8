# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Backends: plain callables from a batch of images to batched predictions.

A backend takes (B, 3, H, W) uint8 RGB on the CPU and gives task name -> structure of tensors, in
input pixels, not thresholded.
"""

from typing import Any, Callable

import torch
from torch import Tensor

from mcn_ros.model import MultiTaskNet

Backend = Callable[[Tensor], dict[str, Any]]

PRECISIONS = {'float32': torch.float32, 'float16': torch.float16, 'bfloat16': torch.bfloat16}


def pick_device(name: str) -> torch.device:
    """
    Resolve a device name.

    :param name: 'auto' (the first GPU, or the CPU when there is none), 'cpu', 'cuda' or 'cuda:N'.
    :raises ValueError: for an unknown name and for a GPU that is not there.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    available = ['auto', 'cpu'] + [f'cuda:{index}' for index in range(gpus)]
    if name == 'auto':
        return torch.device('cuda:0' if gpus else 'cpu')
    wanted = 'cuda:0' if name == 'cuda' else name
    if wanted not in available:
        raise ValueError(f'device: {name!r} is not available here (known: {", ".join(available)})')
    return torch.device(wanted)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """
    Resolve a precision name; 'auto' is float16 on a GPU and float32 on a CPU.

    :raises ValueError: for an unknown name.
    """
    if name == 'auto':
        name = 'float16' if device.type == 'cuda' else 'float32'
    if name not in PRECISIONS:
        raise ValueError(f'precision: {name!r} (known: auto, {", ".join(PRECISIONS)})')
    return PRECISIONS[name]


def torch_eager(model: MultiTaskNet, device: torch.device, dtype: torch.dtype) -> Backend:
    """Return PyTorch's own execution, operator by operator."""
    model = model.eval().to(device=device, memory_format=torch.channels_last)

    def run(images: Tensor) -> dict[str, Any]:
        with torch.inference_mode(), torch.autocast(device.type, dtype,
                                                    enabled=dtype != torch.float32):
            return model.decode(model(images.to(device)))

    return run


BACKENDS: dict[str, Callable[[MultiTaskNet, torch.device, torch.dtype], Backend]] = {
    'torch': torch_eager,
}


def pick_backend(name: str) -> str:
    """
    Resolve a backend name; 'auto' is the best for the device.

    :raises ValueError: for an unknown name.
    """
    name = 'torch' if name == 'auto' else name
    if name not in BACKENDS:
        raise ValueError(f'backend: {name!r} (known: auto, {", ".join(BACKENDS)})')
    return name
