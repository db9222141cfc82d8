# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Where security is demanded and cannot be had, the node does not run without it."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize('enclaves', [False, True])
def test_no_node_runs_unprotected_where_security_is_enforced(enclaves, tmp_path):
    if enclaves:
        (tmp_path / 'enclaves').mkdir()  # a keystore without keys for this node
    done = subprocess.run(
        [sys.executable, '-m', 'mcn_ros.ros.node.mcn_node'], capture_output=True, text=True,
        timeout=200, env={**os.environ, 'ROS_SECURITY_ENABLE': 'true',
                          'ROS_SECURITY_STRATEGY': 'Enforce',
                          'ROS_SECURITY_KEYSTORE': str(tmp_path)})
    assert done.returncode == 1
    assert 'security' in done.stderr.lower() and 'configured' not in done.stderr
