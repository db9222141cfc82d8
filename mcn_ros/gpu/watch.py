# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A watch that tells without a GPU what would wait for one, or could not be in a CUDA graph.

Run what is to be watched on tensors of a ``FakeTensorMode`` that say they are on a GPU: nothing is
computed, and every operator is seen. It is how the tests of this package, and of tasks that are
added to it, know that a loss and a decoder never wait.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

COPIES = {'_to_copy', 'copy_'}
# They answer with a number or a shape that the host has to know.
WAITS = {'_local_scalar_dense', 'nonzero', 'equal', 'is_nonzero', '_unique2', 'masked_select',
         'unique_consecutive', 'unique_dim'}
# They run on the default stream, whichever is current.
ASTRAY = {'torchvision::deform_conv2d'}


class NotRecordable(Exception):
    """What a CUDA graph that is being recorded would refuse, or would not see."""


class GraphWatch(TorchDispatchMode):
    """Refuses what a CUDA graph cannot record, by :class:`NotRecordable`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (),
                           kwargs: dict[str, Any] | None = None) -> Any:
        """Run an operator, unless it is one that waits, copies between devices or goes astray."""
        kwargs = kwargs or {}
        name = func.overloadpacket._qualified_op_name
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        devices = {tensor.device.type for tensor in tensors}
        operator = name.partition('::')[2]
        if operator in COPIES and kwargs.get('device') is not None:
            devices.add(torch.device(kwargs['device']).type)
        # Numbers of the host go with the kernel; what has a dimension has to be copied.
        on_host = [tensor for tensor in tensors if tensor.device.type == 'cpu' and tensor.dim()]
        if len(devices) > 1 and (operator in COPIES or on_host):
            raise NotRecordable(f'{name} between {" and ".join(sorted(devices))}')
        bools = operator in ('index', 'index_put_') and any(
            tensor.dtype in (torch.bool, torch.uint8) for tensor in tree_leaves(args[1])
            if isinstance(tensor, Tensor))
        if 'cuda' in devices and (operator in WAITS or bools):
            raise NotRecordable(f'{name} waits for the device')
        if name in ASTRAY:
            raise NotRecordable(f'{name} runs on the default stream')
        return func(*args, **kwargs)
