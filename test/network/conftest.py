# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Networks of the size of a test run on one thread."""

import pytest
import torch


@pytest.fixture(scope='session', autouse=True)
def one_thread():
    """Use one thread: on a busy machine two wait for each other six times as long as they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
