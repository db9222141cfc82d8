# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What Fast DDS has to be told to deliver camera images, which may be sent with best effort."""

from pathlib import Path
from typing import Mapping

from ament_index_python.packages import get_package_share_directory

PROFILES = 'FASTDDS_DEFAULT_PROFILES_FILE'
# The variables by which a user chooses a transport.
TRANSPORT_CHOICES = (PROFILES, 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_BUILTIN_TRANSPORTS')


def default_transport(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set beside an environment: none where the user has chosen."""
    if any(environment.get(name) for name in TRANSPORT_CHOICES):
        return {}
    share = Path(get_package_share_directory('mcn_ros'))
    return {PROFILES: str(share / 'config' / 'fastdds.xml')}
