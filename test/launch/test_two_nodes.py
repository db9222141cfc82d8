# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Two nodes in one launch file, by launch_testing where it is installed."""

from pathlib import Path
import sys

import pytest

pytest.importorskip('launch_testing_ros', reason='launch_testing_ros is not installed')


def test_two_nodes_in_one_launch_file(run, tiny_weights):
    """Run the command of launch_testing: its plugin for pytest does not load with every pytest."""
    description = Path(__file__).with_name('two_nodes.test.py')
    code, log = run(sys.executable, '-m', 'launch_testing.launch_test', description,
                    f'weights:={tiny_weights}').wait(patience_s=270)
    assert code == 0, log
