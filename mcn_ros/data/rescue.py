# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A file of a bag that its index does not tell all of: it is damaged, or has no whole index."""

from pathlib import Path
from typing import Iterator

from mcn_ros.data.database import Database
from mcn_ros.data.mcap import McapFile
from mcn_ros.data.records import Channel, StoredMessage


class RescuedFile:
    """
    The readable part of a file, which is gone through once to find out what there is.

    - ``channels``: number -> what its messages have in common.
    - ``counts``: number of a channel -> number of its messages.
    - ``last_ns``: time of the last recording, 0 if there is none.
    - ``whole``: whether the file has been read to its end.
    - ``counted``: how many messages it says that it has, None where it does not say.

    :param path: an .mcap or .db3 file.
    :raises ValueError: if nothing can be read.
    """

    def __init__(self, path: Path):
        self.path = path
        self.counts: dict[int, int] = {}
        self.last_ns = 0
        self._file = McapFile(path) if path.suffix == '.mcap' else Database(path)
        if not path.stat().st_size:
            raise ValueError('is empty')
        try:
            self._go_through()
        # Texts that are none, numbers where text is meant: the content of a file may be anything.
        except (TypeError, LookupError, OverflowError) as error:
            raise ValueError(f'is malformed: {error}') from error
        self.channels: dict[int, Channel] = self._file.channels
        self.whole, self.counted = self._file.whole, self._file.counted

    def _go_through(self) -> None:
        for record in self._file.records():
            self.counts[record.channel] = self.counts.get(record.channel, 0) + 1
            self.last_ns = max(self.last_ns, record.recorded_ns)
        if not self.counts and not self._file.whole:
            raise ValueError('has no message left')

    def records(self) -> Iterator[StoredMessage]:
        """Yield the messages, about in the order of their recording."""
        return self._file.records()
