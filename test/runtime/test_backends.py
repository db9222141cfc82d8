# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Devices, precisions and backends: what is picked, and what each backend must do."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from mcn_ros.network.trunks import SeparateTrunksConfig, StreamConfig
from mcn_ros.runtime import backends, onnxruntime_backend, openvino_backend, pytorch
from mcn_ros.runtime.backends import (
    BACKENDS, build_backend, check_backend, obstacle, pick_device, pick_precision, pick_sizes,
    PRECISIONS, PREFERENCES, TF32)
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.parity import compare

CPU, GPU = torch.device('cpu'), torch.device('cuda:0')


def gpus(monkeypatch, count):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: count > 0)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)


def build(name, graph, device=CPU, dtype=torch.float32):
    """Return a backend; skip the test where it cannot be had."""
    if why := obstacle(name, device, dtype):
        pytest.skip(f'{name}: {why}')
    return BACKENDS[name](graph, device, dtype)


# ---- What is picked ----

def test_one_backend_takes_inputs_of_any_size():
    for name in ('auto', 'openvino', 'magic'):
        assert pick_sizes(name, varies=False) == name
    assert pick_sizes('auto', False, torch.int8) == 'openvino'
    assert pick_sizes('auto', varies=True) == pick_sizes('torch', varies=True) == 'torch'
    for name in BACKENDS.keys() - {'torch'}:
        with pytest.raises(ValueError, match=f"^backend: '{name}' runs inputs of one size only"):
            pick_sizes(name, varies=True)


def test_devices_of_a_machine_without_a_gpu(monkeypatch):
    gpus(monkeypatch, 0)
    assert pick_device('auto') == pick_device('cpu') == CPU
    monkeypatch.setattr(backends, 'why_no_gpu', lambda: 'the driver is too old')
    for name in ('cuda', 'cuda:0', 'tpu', '', 'CPU', 'cuda:x'):
        why = ': the driver is too old' if name.startswith('cuda') else ''
        with pytest.raises(ValueError, match=rf"^device: '{name}' is not available here "
                                             rf'\(known: auto, cpu\){why}$'):
            pick_device(name)


def test_devices_of_a_machine_with_two_gpus(monkeypatch):
    gpus(monkeypatch, 2)
    assert pick_device('auto') == pick_device('cuda') == pick_device('cuda:0') == GPU
    assert pick_device('cuda:1') == torch.device('cuda:1') and pick_device('cpu') == CPU
    with pytest.raises(ValueError, match=r"'cuda:2' .* \(known: auto, cpu, cuda:0, cuda:1\)"):
        pick_device('cuda:2')


def test_precisions():
    assert pick_precision('auto', CPU) == torch.float32
    assert pick_precision('auto', GPU) == torch.float16
    for name, dtype in PRECISIONS.items():
        assert pick_precision(name, GPU) == dtype
        assert name == TF32 or pick_precision(name, CPU) == dtype
    with pytest.raises(ValueError, match="^precision: 'tf32' needs a GPU"):
        pick_precision(TF32, CPU)
    with pytest.raises(ValueError, match=r"^precision: 'int4' \(known: auto, float32, .*\)$"):
        pick_precision('int4', CPU)


def test_preferences_name_backends_and_end_with_one_that_always_works():
    assert set(PREFERENCES) == {'cpu', 'cuda'}
    for device, names in PREFERENCES.items():
        assert set(names) <= set(BACKENDS)
        for dtype in set(PRECISIONS.values()) - {torch.int8}:
            assert not obstacle(names[-1], torch.device(device), dtype)


def test_an_unknown_backend():
    with pytest.raises(ValueError, match=r"^backend: 'tflite' \(known: auto, torch, .*openvino\)"):
        check_backend('tflite', CPU, torch.float32)


@pytest.mark.parametrize('name, device, dtype, why', [
    ('cuda_graph', CPU, torch.float32, 'needs a GPU'),
    ('openvino', GPU, torch.float32, 'CPU only'),
    ('openvino', CPU, torch.float16, 'float32, bfloat16 and int8 only'),
    ('torch', CPU, torch.int8, 'only openvino runs in int8'),
    ('onnxruntime', CPU, torch.bfloat16, 'float32 only')])
def test_what_is_in_the_way_is_told(monkeypatch, name, device, dtype, why):
    monkeypatch.setattr(openvino_backend, 'find_spec', lambda name: True)
    with pytest.raises(ValueError, match=rf"^backend: '{name}' cannot be used: .*{why}"
                                         r'.* \(available here: auto, .*\)$'):
        check_backend(name, device, dtype)


def test_how_to_install_what_is_missing_is_told(monkeypatch):
    for name, module in {'openvino': openvino_backend, 'onnxruntime': onnxruntime_backend}.items():
        monkeypatch.setattr(module, 'find_spec', lambda name: None)
        assert f'pip install {name}' in obstacle(name, CPU, torch.float32)


def test_a_compiler_is_needed_to_compile(monkeypatch):
    monkeypatch.setattr(pytorch.shutil, 'which', lambda name: None)
    assert 'C++ compiler' in obstacle('torch_compile', CPU, torch.float32)
    monkeypatch.setattr(pytorch.shutil, 'which', lambda name: f'/usr/bin/{name}')
    assert not obstacle('torch_compile', CPU, torch.float32)


@pytest.fixture
def candidates(monkeypatch):
    """Offer an absent, a broken and two working backends; return what was built."""
    built = []

    def broken(graph, device, dtype):
        raise RuntimeError('driver\n  too old')

    for name in ('absent', 'quick', 'slow'):
        monkeypatch.setitem(BACKENDS, name,
                            lambda *arguments, name=name: built.append(name) or name.upper())
    monkeypatch.setitem(BACKENDS, 'broken', broken)
    monkeypatch.setitem(backends.OBSTACLES, 'absent', lambda device, dtype: 'not installed')
    return built


@pytest.mark.parametrize('order, expected, reasons', [
    (('quick', 'slow'), 'quick', ()),
    (('absent', 'quick', 'slow'), 'quick', ('not absent: not installed',)),
    (('absent', 'broken', 'slow'), 'slow',
     ('not absent: not installed', 'not broken: RuntimeError: driver too old'))])
def test_auto_takes_the_first_that_works_and_says_why(monkeypatch, candidates, graph, order,
                                                      expected, reasons):
    monkeypatch.setitem(PREFERENCES, 'cpu', order)
    name, backend, why = build_backend('auto', graph, CPU, torch.float32)
    assert (name, backend) == (expected, expected.upper()) and candidates == [expected]
    assert why == '; '.join(['the fastest that works here', *reasons])


def test_a_backend_that_is_asked_for_is_taken_or_fails(monkeypatch, candidates, graph):
    assert build_backend('slow', graph, CPU, torch.float32) == ('slow', 'SLOW', 'as asked for')
    with pytest.raises(ValueError, match='not installed .available here: auto, torch.*slow'):
        build_backend('absent', graph, CPU, torch.float32)
    with pytest.raises(RuntimeError, match='too old'):
        build_backend('broken', graph, CPU, torch.float32)
    assert candidates == ['slow']


@pytest.mark.parametrize('tf32', [False, True])
@pytest.mark.parametrize('fixed', [False, True])
def test_float32_on_a_gpu_is_tf32_only_where_that_is_asked_for(monkeypatch, graph, tf32, fixed):
    """While a network is built and while it runs; the process is left as it was."""
    seen, cudnn = [], torch.backends.cudnn

    def look(*arguments):
        seen.append((cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32, cudnn.benchmark))
        return look

    monkeypatch.setitem(BACKENDS, 'watched', look)
    before = look() and seen.pop()
    build_backend('watched', graph, GPU, torch.float32, tf32, fixed)[1]('images')
    assert seen == [(tf32, tf32, fixed)] * 2
    assert look() and seen.pop() == before


@pytest.mark.gpu
@pytest.mark.parametrize('name', ['torch', 'cuda_graph'])
@pytest.mark.parametrize('tf32', [False, True])
def test_logits_of_float32_on_a_gpu_are_those_of_float32(make_network, images, run, name, tf32):
    graph = InferenceGraph(make_network(contrast=20), maps=True)
    expected = run(graph, images)
    _, backend, _ = build_backend(name, graph, GPU, torch.float32, tf32)
    error = max(np.abs(found - values).max() / np.abs(values).max()
                for found, values in zip(backend(images), expected))
    assert error < (1e-2 if tf32 else 1e-4)


# ---- What a backend must do ----

@pytest.fixture
def traced(monkeypatch):
    """Trace for torch.compile, but leave out the minutes of making machine code."""
    compile_ = torch.compile
    monkeypatch.setattr(torch, 'compile', lambda graph, options: compile_(graph, backend='eager'))


def check_maps(backend, graph, images, run):
    expected = run(graph, images)
    for count in (1, 3, 2):
        for found, values in zip(backend(images[:count]), expected, strict=True):
            assert found.dtype == values.dtype
            np.testing.assert_allclose(found, values[:count], rtol=1e-3, atol=1e-3)


# With deformable convolutions, and with weights for several kinds of colours.
STREAMS = SeparateTrunksConfig({
    'objects': StreamConfig(('detection',), 'shufflenet_v2_x0_5', 'deconv', 8, True),
    'people': StreamConfig(('pose', 'window_pose', 'segmentation'), 'shufflenet_v2_x0_5',
                           'top_down', 8,
                           channel_order='rgb', mean=(0.5, 0.4, 0.3))})


# Exporting takes long: the logits of ONNX files are compared in test_export_onnx.
@pytest.mark.parametrize('name', [name for name in BACKENDS if name != 'onnxruntime'])
def test_logits_are_those_of_the_network(traced, make_network, images, run, name):
    """Those of every stream, for any number of images."""
    graph = InferenceGraph(make_network(STREAMS, channel_order='bgr'), maps=True)
    check_maps(build(name, graph), graph, images, run)


@pytest.mark.parametrize('name', BACKENDS)
def test_predictions_are_those_of_the_network(traced, make_network, images, run, name):
    """Those of every stream, for any number of images."""
    graph = InferenceGraph(make_network(STREAMS, channel_order='bgr'))
    expected = run(graph, images)
    backend = build(name, graph)
    for count in (1, 3):
        arrays = backend(images[:count])
        assert [(array.dtype, array.shape[1:]) for array in arrays] == [
            (dtype, shape[1:]) for dtype, shape in zip(graph.layout.dtypes, graph.layout.shapes)]
        differences = compare(graph.restore(arrays),
                              graph.restore([values[:count] for values in expected]))
        for difference in map(asdict, differences.values()):
            assert all(np.max(values, initial=0) < 1e-3 for values in difference.values())
    # What was handed out is not written to by the next batch.
    kept, copies = backend(images), [array.copy() for array in backend(images)]
    backend(images[::-1].copy())
    for array, copy in zip(kept, copies):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize('name, precision', [
    ('torch', 'float16'), ('torch', 'bfloat16'), ('torch_compile', 'bfloat16'),
    ('openvino', 'bfloat16')])
def test_low_precision_is_nearly_the_same(traced, make_network, images, run, name, precision):
    graph = InferenceGraph(make_network(contrast=200), maps=True)
    expected = run(graph, images)
    backend = build(name, graph, dtype=PRECISIONS[precision])
    for found, values, output in zip(backend(images), expected, graph.names, strict=True):
        assert np.abs(found - values).mean() < 0.05 * values.std(), output


@pytest.mark.parametrize('name, precision', [('torch', 'bfloat16'), ('openvino', 'bfloat16')])
def test_predictions_of_low_precision_have_the_same_types(network, images, name, precision):
    graph = InferenceGraph(network)
    found = build(name, graph, dtype=PRECISIONS[precision])(images)
    assert [array.dtype for array in found] == list(graph.layout.dtypes)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_places_are_read_in_full_precision(network, images, dtype):
    """Of logits in low precision: what autocasting does to products is done with by then."""
    seen = []
    graph = InferenceGraph(network)
    read = graph.read
    graph.read = lambda maps: seen.append(torch.is_autocast_enabled('cpu')) or read(maps)
    found = graph.restore(pytorch.torch_eager(graph, CPU, dtype)(images))
    assert seen == [False]
    with torch.inference_mode(), torch.autocast('cpu', dtype):
        maps = graph.look(torch.from_numpy(images))
    assert {values.dtype for values in maps['pose'].values()} == {dtype}
    full = {name: {key: values.float() for key, values in logits.items()}
            for name, logits in maps.items()}
    expected = graph.restore([values.numpy() for values in read(full)])
    np.testing.assert_allclose(found['pose'].keypoints, expected['pose'].keypoints, atol=1e-3)


@pytest.mark.gpu
@pytest.mark.parametrize('name', BACKENDS)
@pytest.mark.parametrize('precision', ['float32', 'float16'])
def test_a_gpu_gives_what_the_cpu_does(make_network, images, run, name, precision):
    graph = InferenceGraph(make_network())
    expected = graph.restore(run(graph, images))
    backend = build(name, graph, GPU, PRECISIONS[precision])
    for count in (1, 3, 1):
        found = graph.restore(backend(images[:count]))
        np.testing.assert_allclose(found['detection'].scores,
                                   expected['detection'].scores[:count], rtol=0.02, atol=0.005)
