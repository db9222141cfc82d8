# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Why there is no GPU: what is read off the driver and the build of PyTorch."""

import re

import pytest
import torch

from mcn_ros.runtime import driver
from mcn_ros.runtime.driver import why_no_gpu

FILES = {
    'open': 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Release Build  (dvs)\n',
    'closed': 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Wed May 22 2024\nGCC: 12.3\n'}


@pytest.mark.parametrize('kind', FILES)
@pytest.mark.parametrize('version, cuda, told', [
    ('535.183.01', '13.0', r'driver 535.183.01 .* older than 580, .*CUDA 13.0'),
    ('580.65', '13.0', r'driver 580.65 .* no GPU for this process'),
    ('535.183.01', '12.8', 'no GPU for this process')])
def test_an_old_driver_is_named(monkeypatch, tmp_path, kind, version, cuda, told):
    monkeypatch.setattr(driver, 'VERSION', tmp_path / 'version')
    monkeypatch.setattr(torch.version, 'cuda', cuda)
    driver.VERSION.write_text(FILES[kind].format(version))
    assert re.search(told, why_no_gpu())


def test_no_driver_and_no_cuda(monkeypatch, tmp_path):
    monkeypatch.setattr(driver, 'VERSION', tmp_path / 'none')
    monkeypatch.setattr(torch.version, 'cuda', '13.0')
    assert why_no_gpu() == 'no driver of NVIDIA is loaded'
    monkeypatch.setattr(torch.version, 'cuda', None)
    assert 'without CUDA' in why_no_gpu()
