# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

import os

import pytest

from mcn_ros.files import new_folder, replaced_file


@pytest.mark.parametrize('before', [None, 'old'])
@pytest.mark.parametrize('error, raised', [(ValueError, ValueError), (OSError('full'), OSError)])
def test_a_file_is_whole_or_as_it_was(tmp_path, before, error, raised):
    path = tmp_path / 'file.txt'
    if before:
        path.write_text(before)
    with pytest.raises(raised), replaced_file(path) as partial:
        partial.write_text('new')
        raise error
    assert [file.read_text() for file in tmp_path.iterdir()] == [before] * bool(before)
    with replaced_file(path) as partial:
        partial.write_text('new')
        assert path.exists() == bool(before)
    assert [file.read_text() for file in tmp_path.iterdir()] == ['new']


def test_a_file_may_be_read_by_whom_new_files_may(tmp_path):
    (tmp_path / 'new').touch()
    with replaced_file(tmp_path / 'private') as partial:
        partial.unlink()
        os.close(os.open(partial, os.O_CREAT, 0o600))
    assert (tmp_path / 'private').stat().st_mode == (tmp_path / 'new').stat().st_mode


def test_a_folder_appears_when_it_is_complete(tmp_path):
    path = tmp_path / 'deep' / 'folder'
    with pytest.raises(KeyError), new_folder(path) as partial:
        partial.mkdir()
        raise KeyError
    assert not list(path.parent.iterdir())
    with new_folder(path) as partial:
        partial.mkdir()
        assert partial.name == path.name and not path.exists()
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(ValueError, match='folder: exists already'), new_folder(path):
        pass


def test_a_link_to_nowhere_is_something(tmp_path):
    (tmp_path / 'link').symlink_to(tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='exists already'), new_folder(tmp_path / 'link'):
        pass
