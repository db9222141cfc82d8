# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The transport is chosen where the user has chosen none."""

from pathlib import Path

import pytest

from mcn_ros.ros.node import silence
from mcn_ros.ros.transport import default_transport, PROFILES, TRANSPORT_CHOICES


@pytest.mark.parametrize('environment', [{}, {'PATH': '/bin'}, {PROFILES: ''}])
def test_without_a_choice_it_is_the_shipped_one(environment):
    (name, path), = default_transport(environment).items()
    assert name == PROFILES and Path(path).name == 'fastdds.xml' and Path(path).is_file()


@pytest.mark.parametrize('name', TRANSPORT_CHOICES)
def test_the_choice_of_the_user_is_kept(name):
    assert default_transport({name: 'UDPv4'}) == {}


def test_the_node_knows_the_same_choices():
    assert set(silence.TRANSPORT_CHOICES) == set(TRANSPORT_CHOICES)
