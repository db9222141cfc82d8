# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The deformable convolution in its other ways: that of torchvision, in values and gradients."""

from itertools import product

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.ops import deform_conv2d

from mcn_ros.network import deformable
from mcn_ros.network.blocks import DeformableConv
from mcn_ros.network.deformable import bag_conv, grid_conv, SIDE, TAPS

WAYS = pytest.mark.parametrize('way', [bag_conv, grid_conv])
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


def assert_equal(values, way):
    """Compare results and the gradients of all inputs."""
    results = [function(*values) for function in (operator, way)]
    torch.testing.assert_close(results[1], results[0])
    seed = torch.randn_like(results[0])
    expected, found = (torch.autograd.grad(result, values, seed) for result in results)
    for mine, its in zip(found, expected):
        torch.testing.assert_close(mine, its)


# At whole steps, where gradients have a jump, grid sampling may be on the other side of it.
@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('way, reach', [
    (bag_conv, 0.0), *product((bag_conv, grid_conv), (0.7, 3.0, 50.0))])
def test_values_and_gradients_are_those_of_the_operator(batch, way, reach):
    assert_equal(inputs(batch, reach), way)


@WAYS
@pytest.mark.parametrize('step', [0.0, -1.0, 1.0, -8.0, 8.0])
def test_whole_steps_across_the_border_are_those_of_the_operator(step, way):
    x, offsets, strengths, weight, bias = inputs()
    with torch.no_grad():
        values = x, torch.full_like(offsets, step), strengths, weight, bias
        torch.testing.assert_close(way(*values), operator(*values))


@WAYS
def test_other_memory_formats_give_the_same(way):
    values = inputs(2)
    expected = way(*values)
    maps = [value.contiguous(memory_format=torch.channels_last) for value in values[:3]]
    found = way(*maps, *values[3:])
    torch.testing.assert_close(found, expected)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_parts_are_put_together(monkeypatch):
    monkeypatch.setattr(deformable, 'PART', TAPS * 5 * 10)  # 63 pixels in parts of eleven
    assert_equal(inputs(2), bag_conv)


@WAYS
def test_places_infinitely_far_away_are_empty(way):
    values = [value.detach() for value in inputs()]
    values[1] = torch.full_like(values[1], 1e30)
    found = way(*values)
    torch.testing.assert_close(found, values[4][:, None, None].expand_as(found))


def test_nothing_but_inputs_is_kept_for_backward():
    values, kept = inputs(size=(32, 32), dtype=torch.float32), []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda value: value):
        bag_conv(*values)
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
    expected = operator(x, sampling[:, :2 * TAPS], sampling[:, 2 * TAPS:].sigmoid(),
                        built.conv.weight, built.conv.bias)
    torch.testing.assert_close(built(x), expected)


def test_a_block_keeps_the_type_and_full_precision_inside():
    built, x = block(), torch.randn(2, 3, 8, 8)
    with torch.autocast('cpu', torch.bfloat16):
        assert built(x).dtype == torch.float32
        assert built(x.bfloat16()).dtype == torch.bfloat16
        # The samples come from a convolution that is not of full precision; with those given:
        values = inputs(dtype=torch.float32)
        torch.testing.assert_close(bag_conv(*values), operator(*values))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('way', [bag_conv, grid_conv, operator])
def test_positions_are_of_full_precision_in_a_wide_map(monkeypatch, way, dtype):
    """At column 100, those of half precision are off by up to 1/32, of bfloat16 by 1/4."""
    monkeypatch.setattr(deformable, 'bag_conv', way)
    torch.manual_seed(0)
    built, x = block(), torch.randn(1, 3, 4, 128).to(dtype)
    built.sampling.weight.data.zero_()
    built.sampling.bias.data = built.sampling.bias.to(dtype).float()
    # Values of the type, so that the positions alone make a difference.
    built.conv.weight.data = built.conv.weight.to(dtype).float()
    expected = built.float()(x.float())
    difference = (built.to(dtype)(x).float() - expected).abs()
    assert difference.max() < 4 * torch.finfo(dtype).eps * expected.abs().max()


@pytest.mark.parametrize('default, expected', [(True, OPERATOR), (False, 'grid_sampler')])
def test_beside_the_default_stream_of_a_gpu_the_operator_is_not_used(monkeypatch, default,
                                                                     expected):
    """It would run on the default stream in any case: a CUDA graph does not record it."""
    monkeypatch.setattr(deformable, 'on_default_stream', lambda device: default)
    seen = []

    class Names(TorchDispatchMode):
        """Keeps the names of operators."""

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    with FakeTensorMode(), torch.device('cuda'), Names():
        block()(torch.empty(1, 3, 8, 8))
    assert any(expected in name for name in seen)
    assert default == any(OPERATOR.partition('.')[2] in name for name in seen)


@pytest.mark.gpu
@pytest.mark.parametrize('way', [grid_conv, bag_conv, operator])
def test_on_a_gpu_values_are_those_of_the_cpu(way):
    values = [value.detach() for value in inputs(2, dtype=torch.float32, size=(40, 56))]
    torch.testing.assert_close(way(*(value.cuda() for value in values)).cpu(), operator(*values))


@pytest.mark.gpu
def test_a_cuda_graph_records_the_convolution():
    built, x = block().cuda(), torch.zeros(1, 3, 16, 16, device='cuda')
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    with torch.no_grad():
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            built(x)
        stream.synchronize()
        with torch.cuda.graph(graph, stream=stream):
            output = built(x)
        for _ in range(2):
            x.normal_()
            graph.replay()
            torch.cuda.synchronize()
            torch.testing.assert_close(output, built(x), rtol=1e-4, atol=1e-4)


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
