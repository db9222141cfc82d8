# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Device, backend and precision together."""

import pytest
import torch

from mcn_ros.runtime import backends, RuntimeConfig

CPU = torch.device('cpu')


def test_what_is_asked_for_is_resolved():
    assert RuntimeConfig('cpu').resolve() == (CPU, 'auto', torch.float32)
    assert RuntimeConfig('cpu', 'torch', 'bfloat16').resolve() == (CPU, 'torch', torch.bfloat16)
    assert RuntimeConfig('cpu').resolve(any_size=True) == (CPU, 'torch', torch.float32)


def test_int8_needs_images_to_calibrate_with(monkeypatch):
    monkeypatch.setitem(backends.OBSTACLES, 'openvino', lambda device, dtype: '')
    with pytest.raises(ValueError, match="^calibration: precision 'int8' needs images"):
        RuntimeConfig('cpu', 'auto', 'int8').resolve()
    assert RuntimeConfig('cpu', 'auto', 'int8', []).resolve() == (CPU, 'openvino', torch.int8)


@pytest.mark.parametrize('config, any_size, named', [
    (RuntimeConfig('tpu'), False, "device: 'tpu' is not available"),
    (RuntimeConfig('cpu', 'magic'), False, "backend: 'magic'"),
    (RuntimeConfig('cpu', 'auto', 'int4'), False, "precision: 'int4'"),
    (RuntimeConfig('cpu', 'torch', 'int8'), False, "'torch' cannot be used: only openvino"),
    (RuntimeConfig('cpu', 'auto', 'int8'), True, "'torch' cannot be used: only openvino"),
    (RuntimeConfig('cpu', 'cuda_graph'), False, "backend: 'cuda_graph' cannot be used"),
    (RuntimeConfig('cpu', 'openvino'), True, "backend: 'openvino' runs inputs of one size")])
def test_what_cannot_be_had(config, any_size, named):
    with pytest.raises(ValueError, match=named):
        config.resolve(any_size)
