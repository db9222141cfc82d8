# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints: what was saved is loaded, and a failure leaves what was there."""

import pytest
import torch

from mcn_ros.learning import checkpoint as module
from mcn_ros.learning.checkpoint import save_checkpoint


def test_what_was_saved_is_loaded(tmp_path):
    path = tmp_path / 'run' / 'checkpoint.pt'
    save_checkpoint(path, {'step': 3, 'weights': {'a': torch.arange(3.0)}})
    found = torch.load(path, weights_only=True)
    assert found['step'] == 3 and found['weights']['a'].tolist() == [0, 1, 2]
    assert [each.name for each in path.parent.iterdir()] == ['checkpoint.pt']


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / 'checkpoint.pt'
    save_checkpoint(path, {'step': 3})
    monkeypatch.setattr(module.torch, 'save', lambda content, file: file.write(b'half') / 0)
    with pytest.raises(ZeroDivisionError):
        save_checkpoint(path, {'step': 4})
    assert torch.load(path)['step'] == 3
    monkeypatch.undo()
    (tmp_path / 'checkpoint.pt.partial').mkdir()
    with pytest.raises(OSError, match='checkpoint.pt: cannot be written'):
        save_checkpoint(path, {'step': 4})
    assert torch.load(path)['step'] == 3
