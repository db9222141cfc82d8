# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Why PyTorch finds no GPU on a machine that may well have one."""

from pathlib import Path
import re

import torch

VERSION = Path('/proc/driver/nvidia/version')
# CUDA that PyTorch was built for -> the first driver for Linux that runs it.
OLDEST = {11: 450, 12: 525, 13: 580}


def why_no_gpu() -> str:
    """Return what is in the way of using a GPU, in words; what is not known is not guessed."""
    if torch.version.cuda is None:
        return 'this PyTorch is built without CUDA'
    cuda, driver = torch.version.cuda, _driver()
    if driver is None:
        return 'no driver of NVIDIA is loaded'
    oldest = OLDEST.get(int(cuda.partition('.')[0]), 0)
    if int(driver.partition('.')[0]) < oldest:
        return (f'the driver {driver} of NVIDIA is older than {oldest}, which this PyTorch (CUDA '
                f'{cuda}) needs: update the driver, or install a PyTorch for an older CUDA')
    return f'the driver {driver} of NVIDIA is loaded, but has no GPU for this process'


def _driver() -> str | None:
    """Return the version of the kernel module, such as '535.183.01'; None if there is none."""
    try:
        text = VERSION.read_text()
    except OSError:
        return None
    # "NVRM version: NVIDIA UNIX (Open) x86_64 Kernel Module  535.183.01  Wed ..."
    match = re.search(r'Kernel Module.*?\s(\d+\.\d+(\.\d+)?)', text)
    return match[1] if match else None
