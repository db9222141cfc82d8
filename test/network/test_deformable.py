# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The deformable convolution on a CPU: that of torchvision, in values and gradients."""

import pytest
import torch
from torchvision.ops import deform_conv2d

from mcn_ros.network import deformable
from mcn_ros.network.blocks import DeformableConv
from mcn_ros.network.deformable import deformable_conv, SIDE, TAPS

OPERATOR = 'torchvision.deform_conv2d'


def inputs(batch=1, reach=2.0, channels=5, size=(7, 9), dtype=torch.float64):
    """Return x, offsets, strengths, weight and bias; offsets are about ``reach`` pixels."""
    torch.manual_seed(0)
    values = (torch.randn(batch, channels, *size), reach * torch.randn(batch, 2 * TAPS, *size),
              torch.rand(batch, TAPS, *size), torch.randn(4, channels, SIDE, SIDE),
              torch.randn(4))
    return [value.to(dtype).requires_grad_() for value in values]


def operator(x, offsets, strengths, weight, bias):
    return deform_conv2d(x, offsets, weight, bias, padding=1, mask=strengths)


def assert_equal(values):
    """Compare results and the gradients of all inputs."""
    results = [function(*values) for function in (operator, deformable_conv)]
    torch.testing.assert_close(results[1], results[0])
    seed = torch.randn_like(results[0])
    expected, found = (torch.autograd.grad(result, values, seed) for result in results)
    for mine, its in zip(found, expected):
        torch.testing.assert_close(mine, its)


@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('reach', [0.0, 0.7, 3.0, 50.0])
def test_values_and_gradients_are_those_of_the_operator(batch, reach):
    assert_equal(inputs(batch, reach))


@pytest.mark.parametrize('step', [-1.0, 1.0, -8.0, 8.0])
def test_whole_steps_across_the_border_are_those_of_the_operator(step):
    x, offsets, strengths, weight, bias = inputs()
    with torch.no_grad():
        values = x, torch.full_like(offsets, step), strengths, weight, bias
        torch.testing.assert_close(deformable_conv(*values), operator(*values))


def test_other_memory_formats_give_the_same():
    values = inputs(2)
    expected = deformable_conv(*values)
    maps = [value.contiguous(memory_format=torch.channels_last) for value in values[:3]]
    found = deformable_conv(*maps, *values[3:])
    torch.testing.assert_close(found, expected)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_parts_are_put_together(monkeypatch):
    monkeypatch.setattr(deformable, 'PART', TAPS * 5 * 10)  # 63 pixels in parts of eleven
    assert_equal(inputs(2))


def test_places_infinitely_far_away_are_empty():
    values = [value.detach() for value in inputs()]
    values[1] = torch.full_like(values[1], 1e30)
    found = deformable_conv(*values)
    torch.testing.assert_close(found, values[4][:, None, None].expand_as(found))


def test_nothing_but_inputs_is_kept_for_backward():
    values, kept = inputs(size=(32, 32), dtype=torch.float32), []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda value: value):
        deformable_conv(*values)
    numbers = {value.data_ptr(): value.untyped_storage().nbytes() for value in kept
               if isinstance(value, torch.Tensor)}
    assert sum(numbers.values()) < 3 * sum(v.untyped_storage().nbytes() for v in values)


def block(channels=3):
    """Return a block whose taps are moved."""
    built = DeformableConv(channels, 4).eval()
    torch.nn.init.normal_(built.sampling.bias)
    return built


def test_a_block_answers_as_its_operator_does():
    built, x = block(), torch.randn(2, 3, 8, 8)
    sampling = built.sampling(x)
    expected = built.conv(x, sampling[:, :2 * TAPS], sampling[:, 2 * TAPS:].sigmoid())
    torch.testing.assert_close(built(x), expected)


def test_a_block_keeps_the_type_and_full_precision_inside():
    built, x = block(), torch.randn(2, 3, 8, 8)
    with torch.autocast('cpu', torch.bfloat16):
        assert built(x).dtype == torch.float32
        assert built(x.bfloat16()).dtype == torch.bfloat16
        # The samples come from a convolution that is not of full precision; with those given:
        values = inputs(dtype=torch.float32)
        torch.testing.assert_close(deformable_conv(*values), operator(*values))


def test_tracing_finds_the_operator():
    traced = torch.jit.trace(block(), torch.randn(1, 3, 8, 8))
    assert 'torchvision::deform_conv2d' in str(traced.inlined_graph)


@pytest.mark.parametrize('strict', [False, True])
def test_export_finds_the_operator(strict):
    program = torch.export.export(block(), (torch.randn(1, 3, 8, 8),), strict=strict)
    assert OPERATOR in program.graph_module.print_readable(print_output=False)
    assert 'embedding' not in str(program.graph)


def test_the_state_has_the_names_that_weights_files_have():
    assert set(block().state_dict()) == {'sampling.weight', 'sampling.bias', 'conv.weight',
                                         'conv.bias'}
