# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Finding weights files."""

import os
from pathlib import Path

from mcn_ros.share import share_folders

DEFAULT_WEIGHTS = 'mcn_default.safetensors'


def models_folders() -> list[Path]:
    """Return where weights are shipped."""
    return share_folders('models')


def weights_path(name: str | Path = '') -> Path:
    """
    Resolve the weights a user asks for.

    :param name: a path; or the bare name of a file in a models folder; or '' for the default.
    :return: path of an existing file.
    :raises ValueError: if there is none; the shipped names are listed.
    """
    wanted = Path(os.path.expanduser(name or DEFAULT_WEIGHTS))
    if name and os.path.isfile(wanted):
        return wanted
    folders = models_folders()
    if wanted.name == str(wanted):
        for folder in folders:
            if os.path.isfile(folder / wanted):
                return folder / wanted
    shipped = sorted({path.name for folder in folders for path in folder.glob('*.safetensors')})
    raise ValueError(f'weights: no such file: {wanted} (shipped: {", ".join(shipped) or "none"})')
