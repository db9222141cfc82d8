# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tensors in one block of bytes, and back."""

from hypothesis import given, strategies
import numpy as np
import pytest
import torch

from mcn_ros.runtime.packing import ALIGNMENT, numpy_dtype, pack, to_host, unpack

DTYPES = (torch.float32, torch.float16, torch.int64, torch.uint8, torch.bool, torch.float64)
SHAPES = strategies.lists(strategies.integers(0, 4), max_size=4).map(tuple)


def values(shape, dtype):
    return torch.arange(int(np.prod(shape))).reshape(shape).to(dtype)


@given(strategies.lists(strategies.tuples(SHAPES, strategies.sampled_from(DTYPES)), min_size=1,
                        max_size=6))
def test_what_is_packed_can_be_unpacked(kinds):
    tensors = [values(*kind) for kind in kinds]
    block = pack(tensors)
    assert block.dtype == torch.uint8 and block.dim() == 1 and len(block) % ALIGNMENT == 0
    arrays = unpack(block.numpy(), [tuple(t.shape) for t in tensors],
                    [numpy_dtype(t.dtype) for t in tensors])
    for tensor, array in zip(tensors, arrays, strict=True):
        assert array.dtype == numpy_dtype(tensor.dtype) and array.flags.aligned
        np.testing.assert_array_equal(array, tensor.numpy())


def test_views_are_packed_as_what_they_show():
    tensor = torch.arange(24.).reshape(2, 3, 4)
    for view in (tensor.transpose(0, 2), tensor[:, ::2], tensor[1:].expand(2, -1, -1)):
        array, = unpack(pack([view]).numpy(), [tuple(view.shape)], [np.dtype(np.float32)])
        np.testing.assert_array_equal(array, view.numpy())


def test_a_block_of_another_size_is_noticed():
    block = pack([torch.zeros(4)]).numpy()
    with pytest.raises(AssertionError):
        unpack(block, [(2,)], [np.dtype(np.float32)])


def test_tensors_of_the_host_are_not_copied():
    tensor = torch.zeros(3)
    array, = to_host([tensor])
    tensor += 1
    np.testing.assert_array_equal(array, 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU on this machine')
def test_tensors_come_from_a_gpu():
    tensors = [values((2, 3), dtype) for dtype in DTYPES]
    for tensor, array in zip(tensors, to_host([t.cuda() for t in tensors]), strict=True):
        np.testing.assert_array_equal(array, tensor.numpy())
        assert array.dtype == numpy_dtype(tensor.dtype)
