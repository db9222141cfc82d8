# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Results of commands: whole, or not there."""

from contextlib import contextmanager
import json
import resource

import cv2
import numpy as np
import pytest

from mcn_ros.commands import check_writable, write_json
from mcn_ros.commands.demo import write_contact_sheet


@contextmanager
def full_disk():
    """Let files become no larger than a few bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize('before', [None, '{}'])
def test_a_full_disk_changes_nothing(tmp_path, before):
    path = tmp_path / 'results.json'
    if before:
        path.write_text(before)
    told = r'results.json: cannot be written: .*File too large'
    with pytest.raises(OSError, match=told), full_disk():
        write_json(path, {'AP': [0.5] * 100})
    assert [file.read_text() for file in tmp_path.iterdir()] == [before] * bool(before)


def test_results_are_written(tmp_path):
    path = tmp_path / 'deep' / 'results.json'
    check_writable(path)
    assert list(path.parent.iterdir()) == []  # a run that fails leaves no empty file
    write_json(path, {'AP': 0.5})
    assert json.loads(path.read_text()) == {'AP': 0.5} and len(list(path.parent.iterdir())) == 1
    with pytest.raises(ValueError):
        write_json(path, {'AP': float('nan')})
    assert json.loads(path.read_text()) == {'AP': 0.5} and len(list(path.parent.iterdir())) == 1


def test_what_cannot_be_written_is_told_at_once(tmp_path):
    (tmp_path / 'file').touch()
    for path in (tmp_path, tmp_path / 'file' / 'results.json'):
        with pytest.raises(OSError):
            check_writable(path)


def test_pictures_that_are_not_whole_are_told(tmp_path):
    with pytest.raises(OSError, match='there are no pictures: is the disk full'):
        write_contact_sheet(tmp_path)
    (tmp_path / 'overlay_0.png').write_bytes(b'')
    with pytest.raises(OSError, match='contact_sheet.png: cannot be written: is the disk full'):
        write_contact_sheet(tmp_path)
    assert not (tmp_path / 'contact_sheet.png').exists()


def test_a_contact_sheet_that_is_not_whole_is_removed(tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / 'overlay_0.png'), np.zeros((48, 64, 3), np.uint8))
    monkeypatch.setattr(cv2, 'imwrite', lambda path, image: bool(open(path, 'w').write('x')) * 0)
    with pytest.raises(OSError, match='contact_sheet.png: cannot be written'):
        write_contact_sheet(tmp_path)
    assert not (tmp_path / 'contact_sheet.png').exists()
