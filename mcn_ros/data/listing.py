# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The files of a folder, in the order that their numbers tell."""

from pathlib import Path
import re
from typing import Any, Sequence


def list_files(folder: Path, endings: Sequence[str]) -> list[Path]:
    """
    Return the files of a folder in natural order: frame_2 comes before frame_10.

    :param endings: of their names, lower case; a file may have them in upper case as well.
    """
    return sorted((path for path in folder.iterdir()
                   if path.name.lower().endswith(tuple(endings))), key=_natural)


def _natural(path: Path) -> tuple[Any, ...]:
    # Texts and numbers take turns, so only like is compared with like. 1 and 01 differ by name.
    words = re.split(r'(\d+)', path.name)
    return [int(word) if index % 2 else word for index, word in enumerate(words)], path.name
