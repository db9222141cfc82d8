# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Where the files are that are installed beside the modules: weights, a film, configurations."""

import os
from pathlib import Path


def share_folders(name: str) -> list[Path]:
    """
    Return where a folder of such files may be: in the source tree, then in every ament prefix.

    :param name: of the folder at the top of the source tree, such as 'models'.
    """
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    return [Path(__file__).resolve().parents[1] / name,
            *(Path(prefix, 'share', 'mcn_ros', name) for prefix in prefixes if prefix)]
