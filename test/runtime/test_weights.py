# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Where weights are found."""

from pathlib import Path

import pytest

from mcn_ros.runtime import weights
from mcn_ros.runtime.weights import DEFAULT_WEIGHTS, weights_path


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Make a source tree and an installation that ship weights."""
    tree, installed = tmp_path / 'tree', tmp_path / 'installed'
    for folder, names in ((tree, ['a', 'both']), (installed, ['b', 'both'])):
        folder.mkdir()
        for name in names:
            (folder / f'{name}.safetensors').touch()
    monkeypatch.setattr(weights, 'models_folders', lambda: [tree, installed])
    monkeypatch.chdir(tmp_path)
    return tree, installed


def test_a_bare_name_is_a_shipped_file(folders):
    tree, installed = folders
    assert weights_path('a.safetensors') == tree / 'a.safetensors'
    assert weights_path('b.safetensors') == installed / 'b.safetensors'
    assert weights_path('both.safetensors') == tree / 'both.safetensors'


def test_a_path_is_taken_as_it_is(folders, tmp_path, monkeypatch):
    mine = tmp_path / 'mine' / 'b.safetensors'
    mine.parent.mkdir()
    mine.touch()
    for path in (mine, str(mine), 'mine/b.safetensors'):
        assert weights_path(path).samefile(mine)
    # What is here comes before what is shipped.
    monkeypatch.chdir(mine.parent)
    assert weights_path('b.safetensors').samefile(mine)
    monkeypatch.setenv('HOME', str(tmp_path))
    assert weights_path('~/mine/b.safetensors') == mine


def test_the_default(folders):
    (folders[1] / DEFAULT_WEIGHTS).touch()
    assert weights_path() == weights_path('') == folders[1] / DEFAULT_WEIGHTS
    # A file of that name in the current folder is not what was shipped.
    Path(DEFAULT_WEIGHTS).touch()
    assert weights_path() == folders[1] / DEFAULT_WEIGHTS


@pytest.mark.parametrize('name', [
    'c.safetensors', 'tree', '/nowhere/a.safetensors', 'sub/a.safetensors', '~no-such-user/a', '.',
    'x' * 300, 'a\0b'])
def test_errors_name_the_file_and_what_is_shipped(folders, name):
    with pytest.raises(ValueError) as info:
        weights_path(name)
    assert str(info.value) == (f'weights: no such file: {name} '
                               '(shipped: a.safetensors, b.safetensors, both.safetensors)')


def test_nothing_is_shipped(monkeypatch):
    monkeypatch.setattr(weights, 'models_folders', list)
    with pytest.raises(ValueError, match=rf'no such file: {DEFAULT_WEIGHTS} \(shipped: none\)'):
        weights_path()
