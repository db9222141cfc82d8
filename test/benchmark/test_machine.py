# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is said about the machine."""

import os

import torch

from mcn_ros.benchmark import machine


def test_the_machine_is_described():
    found = machine.describe(torch.device('cpu'))
    assert found['cores'] == len(os.sched_getaffinity(0)) and found['cpu']
    assert found['versions']['torch'] == torch.__version__
    text = machine.line(found)
    assert found['cpu'] in text and f'torch {torch.__version__}' in text


def test_other_work_is_warned_of(monkeypatch):
    for load, warned in ((0.1, False), (3.0, True)):
        monkeypatch.setattr(os, 'getloadavg', lambda load=load: (load, 0.0, 0.0))
        text = machine.line(machine.describe(torch.device('cpu')))
        assert ('other work was running: load 3.0 before' in text) == warned
