# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The check of a machine with a GPU: its dry run, its files and its exit code."""

import json

import pytest
import torch

from mcn_ros.commands import gpu_check
from mcn_ros.gpu.finding import Finding


def run(tmp_path, *arguments):
    """Return exit code and what was written."""
    try:
        gpu_check.main(['--out', str(tmp_path / 'out'), *arguments])
        code = 0
    except SystemExit as error:
        code = error.code
    path = tmp_path / 'out' / 'gpu_check.json'
    return code, json.loads(path.read_text()) if path.exists() else None


@pytest.mark.parametrize('holds, expected', [(True, 0), (None, 0), (False, 1)])
def test_it_succeeds_only_if_all_holds(tmp_path, monkeypatch, holds, expected):
    findings = [Finding('parity', 'net', True, 'off by 0'), Finding('fault', 'f', holds, 'so')]
    monkeypatch.setattr(gpu_check, 'PARTS', {'parity': lambda *arguments: iter(findings)})
    code, written = run(tmp_path, '--device', 'cpu')
    assert code == expected and written['machine']['device'] == 'cpu'
    assert written['findings'] == [finding.as_dict() for finding in findings]
    text = (tmp_path / 'out' / 'gpu_check.md').read_text()
    assert ('does not hold' in text) == (holds is False) and '| fault | f |' in text


def test_the_dry_run_of_the_cheap_parts(tmp_path):
    code, written = run(tmp_path, '--device', 'cpu', '--parts', 'deformable', 'memory')
    assert code == 0 and set(written['seconds']) == {'deformable', 'memory'}
    assert {finding['check'] for finding in written['findings']} == {'deformable', 'memory'}


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_without_a_gpu_it_says_why(tmp_path, capsys):
    assert run(tmp_path) == (1, None)
    assert '--device cpu' in capsys.readouterr().err
