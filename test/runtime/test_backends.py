# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Devices, precisions and backends: what is picked, and what each backend must do."""

import pytest
import torch

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime.backends import (
    BACKENDS, pick_backend, pick_device, pick_precision, PRECISIONS)
from mcn_ros.tasks import TASKS

CPU, GPU = torch.device('cpu'), torch.device('cuda:0')


def gpus(monkeypatch, count):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: count > 0)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)


def test_devices_of_a_machine_without_a_gpu(monkeypatch):
    gpus(monkeypatch, 0)
    assert pick_device('auto') == pick_device('cpu') == CPU
    for name in ('cuda', 'cuda:0', 'tpu', '', 'CPU', 'cuda:x'):
        with pytest.raises(ValueError, match=rf"^device: '{name}' is not available here "
                                             r'\(known: auto, cpu\)$'):
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
    assert {pick_precision(name, CPU) for name in PRECISIONS} == set(PRECISIONS.values())
    with pytest.raises(ValueError, match=r"^precision: 'int8' \(known: auto, float32, .*\)$"):
        pick_precision('int8', CPU)


def test_backends():
    assert pick_backend('auto') in BACKENDS
    assert all(pick_backend(name) == name for name in BACKENDS)
    with pytest.raises(ValueError, match=r"^backend: 'tensorrt' \(known: auto, torch.*\)$"):
        pick_backend('tensorrt')


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    trunk = TrunkConfig('shufflenet_v2_x0_5', channels=16)
    return MultiTaskNet(ModelConfig({name: {} for name in TASKS}, trunk, (64, 96)))


def images(count):
    generator = torch.manual_seed(1)
    pixels = torch.randint(0, 256, (count, 64, 96, 3), dtype=torch.uint8, generator=generator)
    return pixels.permute(0, 3, 1, 2)  # as the predictor hands them over: colours innermost


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('count', [1, 3])
def test_a_backend_gives_what_the_model_does(model, backend, count):
    run = BACKENDS[backend](model, CPU, torch.float32)
    found = run(images(count))
    with torch.no_grad():
        expected = model.decode(model(images(count)))
    assert found.keys() == expected.keys()
    torch.testing.assert_close(found['detection'].scores, expected['detection'].scores)
    torch.testing.assert_close(found['pose'].scores, expected['pose'].scores)
    agreement = found['segmentation'].labels == expected['segmentation'].labels
    assert agreement.float().mean() > 0.99


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('precision', ['float16', 'bfloat16'])
def test_low_precision_is_nearly_the_same(model, backend, precision):
    exact = BACKENDS[backend](model, CPU, torch.float32)(images(2))
    found = BACKENDS[backend](model, CPU, PRECISIONS[precision])(images(2))
    torch.testing.assert_close(found['detection'].scores, exact['detection'].scores, rtol=0.05,
                               atol=0.01)
    assert found['detection'].boxes.dtype == found['pose'].keypoints.dtype == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU on this machine')
@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('precision', ['float32', 'float16'])
def test_a_gpu_gives_what_the_cpu_does(model, backend, precision):
    expected = BACKENDS['torch'](model, CPU, torch.float32)(images(2))
    found = BACKENDS[backend](model, GPU, PRECISIONS[precision])(images(2))
    model.to(CPU)
    assert found['detection'].scores.is_cuda
    torch.testing.assert_close(found['detection'].scores.cpu(), expected['detection'].scores,
                               rtol=0.02, atol=0.005)
