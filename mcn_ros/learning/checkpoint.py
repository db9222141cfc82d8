# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints that are whole, or as they were before."""

from collections.abc import Mapping
import io
from pathlib import Path
from typing import Any

import torch

from mcn_ros.files import replaced_file


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """
    Write what PyTorch can load again, in place of the file of the last time.

    :param path: of the file; its folder is made where it is missing.
    :raises OSError: if it cannot be written, such as on a full disk.
    """
    # By way of memory: when a file fails, PyTorch does not say why.
    memory = io.BytesIO()
    torch.save(content, memory)
    with replaced_file(path) as partial:
        partial.write_bytes(memory.getbuffer())
