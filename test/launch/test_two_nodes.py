# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Two nodes in one launch file, by launch_testing where it is installed."""

from pathlib import Path
import subprocess
import sys

import pytest

pytest.importorskip('launch_testing_ros', reason='launch_testing_ros is not installed')


def test_two_nodes_in_one_launch_file(environment, tiny_weights, tmp_path):
    """Run the command of launch_testing: its plugin for pytest does not load with every pytest."""
    description = Path(__file__).with_name('two_nodes.test.py')
    with open(tmp_path / 'log', 'w') as log:
        code = subprocess.run(
            [sys.executable, '-m', 'launch_testing.launch_test', description,
             f'weights:={tiny_weights}'],
            env=environment, stdout=log, stderr=subprocess.STDOUT, timeout=270).returncode
    assert code == 0, (tmp_path / 'log').read_text()
