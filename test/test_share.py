# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Where installed files are looked for."""

import os
from pathlib import Path

from mcn_ros import share
from mcn_ros.share import share_folders


def test_folders_are_the_source_tree_and_the_ament_prefixes(monkeypatch):
    monkeypatch.setenv('AMENT_PREFIX_PATH', os.pathsep.join(['/first', '', '/second']))
    tree, *installed = share_folders('models')
    assert (tree.parent / 'mcn_ros' / 'share.py').samefile(share.__file__)
    assert installed == [Path('/first/share/mcn_ros/models'), Path('/second/share/mcn_ros/models')]
    monkeypatch.delenv('AMENT_PREFIX_PATH')
    assert share_folders('models') == [tree]
