# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Where and how a network runs."""

from dataclasses import dataclass

import torch

from mcn_ros.runtime.backends import check_backend, pick_device, pick_precision, pick_sizes
from mcn_ros.runtime.int8 import Calibration


@dataclass(frozen=True)
class RuntimeConfig:
    """
    Where and how a network runs, as asked for.

    :param device: 'auto', 'cpu', 'cuda' or 'cuda:N'.
    :param backend: 'auto' or a key of :data:`mcn_ros.runtime.backends.BACKENDS`.
    :param precision: 'auto' or a key of :data:`mcn_ros.runtime.backends.PRECISIONS`.
    :param calibration: images like those that it is to see, which int8 needs.
    """

    device: str = 'auto'
    backend: str = 'auto'
    precision: str = 'auto'
    calibration: Calibration | None = None

    def resolve(self, any_size: bool = False) -> tuple[torch.device, str, torch.dtype]:
        """
        Return device, backend and precision; the backend may remain 'auto'.

        :param any_size: whether inputs of any size are to be run.
        :raises ValueError: for what is unknown, not there, or does not go together.
        """
        device = pick_device(self.device)
        dtype = pick_precision(self.precision, device)
        backend = pick_sizes(self.backend, any_size, dtype)
        check_backend(backend, device, dtype)
        if dtype == torch.int8 and self.calibration is None:
            raise ValueError("calibration: precision 'int8' needs images like those that the "
                             'network is to see: a folder, a video or a bag')
        return device, backend, dtype
