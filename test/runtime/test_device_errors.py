# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Errors of CUDA: those that a process survives, and the others."""

import subprocess
import sys

import pytest
import torch

from mcn_ros.runtime.device_errors import is_sticky

# What the driver says, with what PyTorch puts around it.
TEXT = 'CUDA error: {}\nCUDA kernel errors might be asynchronously reported at some other API call'
ASSERTION = """
import torch
from mcn_ros.runtime.device_errors import is_sticky
values = torch.zeros(4, device='cuda')
answers = []
for index in (9, 0):
    try:
        values[torch.full((1,), index, device='cuda')].cpu()
    except RuntimeError as error:
        answers.append(is_sticky(error))
print(answers)
"""


@pytest.mark.parametrize('words, sticky', [
    ('device-side assert triggered', True), ('an illegal memory access was encountered', True),
    ('unspecified launch failure', True), ('uncorrectable ECC error encountered', True),
    ('misaligned address', True), ('the launch timed out and was terminated', True),
    ('out of memory', False), ('no kernel image is available for execution', False),
    ('invalid argument', False), ('operation not permitted when stream is capturing', False)])
def test_errors_of_cuda(words, sticky):
    assert is_sticky(RuntimeError(TEXT.format(words))) == sticky


def test_other_errors_are_none_of_a_gpu():
    assert not is_sticky(ValueError('misaligned address'))
    assert not is_sticky(torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB'))


@pytest.mark.gpu
def test_after_an_assertion_everything_fails():
    result = subprocess.run([sys.executable, '-c', ASSERTION], capture_output=True, text=True,
                            timeout=120)
    assert result.stdout.strip() == '[True, True]', result.stderr
