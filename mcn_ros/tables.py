# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Markdown tables."""

from typing import Sequence


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """
    Return a table.

    :param words: number of columns, from the left, that hold words; numbers are set to the right.
    """
    marks = ['---' if column < words else '---:' for column in range(len(header))]
    return '\n'.join(f'| {" | ".join(line)} |' for line in (header, marks, *rows))
