# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a long run has done so far, one line for each step, so that the next goes on there."""

import json
from pathlib import Path
from typing import Any, BinaryIO, Mapping


class Journal:
    """
    A file that grows by a line for each step, to be used in a ``with`` statement.

    A line that was cut off, such as by a loss of power, is dropped.

    :param path: the file; its folder is made where it is missing.
    :param facts: all that the steps depend on, as JSON has it.
    :ivar done: key of each step that is done -> its result.
    :raises ValueError: if the file was begun with other facts, or is something else.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]):
        self._path, self.done = path, {}
        head = _line(facts)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b''
        lines = content[:content.rfind(b'\n') + 1].splitlines(keepends=True)
        if lines and lines[0] != head:
            raise ValueError(f'{path}: was begun with {_difference(lines[0], facts)}; '
                             'remove it to start anew')
        for line in lines[1:]:
            key, result = json.loads(line)
            self.done[key] = result
        self._file: BinaryIO = path.open('ab')
        self._file.truncate(sum(map(len, lines)))
        if not lines:
            self._write(head)

    def __enter__(self) -> 'Journal':
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, key: str | int, result: Any) -> None:
        """Note that a step is done."""
        self._write(_line([key, result]))
        self.done[key] = result

    def remove(self) -> None:
        """Remove the file: all is done."""
        self._file.close()
        self._path.unlink()

    def _write(self, line: bytes) -> None:
        self._file.write(line)
        self._file.flush()


def _line(value: Any) -> bytes:
    return json.dumps(value, separators=(',', ':'), allow_nan=False).encode() + b'\n'


def _difference(line: bytes, facts: Mapping[str, Any]) -> str:
    """Return what a file was begun with that is another now."""
    try:
        before = json.loads(line)
        names = [name for name in {**before, **facts} if before.get(name) != facts.get(name)]
    except (ValueError, TypeError, AttributeError):
        return 'something that is no list of what is done'
    return f'other {", ".join(names)}'
