# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Files of sqlite3 bags, read as far as their pages go; nothing in their folder is touched.

A database that is cut off lacks its last pages. One whose recorder was killed may have its last
messages, and even its tables, in a write-ahead log beside it.
"""

from pathlib import Path
from typing import Iterator

# Whoever has the reader has its database; that of Python cannot leave a log as it is.
from rosbags.rosbag2.storage_sqlite3 import apsw

from mcn_ros.data.records import Channel, MSG_ENCODING, StoredMessage


def has_log(path: Path) -> bool:
    """Return whether a database has a write-ahead log beside it."""
    log = path.with_name(f'{path.name}-wal')
    return log.is_file() and log.stat().st_size > 0


class Database:
    """
    A database of messages, with its write-ahead log.

    - ``channels``: number -> channel, filled before the first message comes.
    - ``whole``: whether all rows could be read, and all of them are messages.
    - ``counted``: None, as nothing but the rows themselves tells how many there are.

    :param path: of the file.
    """

    counted = None

    def __init__(self, path: Path):
        self.path = path
        self.channels: dict[int, Channel] = {}
        self.whole = False

    def records(self) -> Iterator[StoredMessage]:
        """Yield the messages in the order of writing; ValueError if it is no such database."""
        try:
            database = _open(self.path)
        except apsw.Error as error:
            raise ValueError(str(error)) from error
        try:
            # Otherwise a database that is shorter than it says is not opened at all.
            database.execute('PRAGMA writable_schema=ON')
            for number, topic, msgtype in database.execute('SELECT id, name, type FROM topics'):
                self.channels[number] = Channel(topic, msgtype, _definition(database, msgtype))
            yield from self._rows(database)
        except apsw.Error as error:
            raise ValueError(str(error)) from error
        finally:
            database.close()

    def _rows(self, database: apsw.Connection) -> Iterator[StoredMessage]:
        whole = True
        try:
            # By the table itself: its index of times is spread over the whole file.
            for row in database.execute(
                    'SELECT topic_id, timestamp, data FROM messages ORDER BY id'):
                number, recorded_ns, data = row
                if (number in self.channels and isinstance(recorded_ns, int)
                        and isinstance(data, bytes)):
                    yield StoredMessage(*row)
                else:
                    whole = False
        except (apsw.Error, UnicodeDecodeError):
            return
        self.whole = whole


def _open(path: Path) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    if not has_log(path):
        return apsw.Connection(f'{path.resolve().as_uri()}?immutable=1', flags)
    # Without locks, and its index of the log in memory, it writes no file; and it does not move
    # the log into the database when it is closed.
    database = apsw.Connection(path.resolve().as_uri(), flags, vfs='unix-none')
    database.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    database.execute('PRAGMA locking_mode=EXCLUSIVE')
    return database


def _definition(database: apsw.Connection, msgtype: str) -> str:
    """Return the definition of a type, '' where there is none: older bags have no such table."""
    try:
        row = database.execute(
            'SELECT encoded_message_definition FROM message_definitions '
            'WHERE topic_type = ? AND encoding = ?', (msgtype, MSG_ENCODING)).fetchone()
    except (apsw.Error, UnicodeDecodeError):
        return ''
    return row[0] if row else ''
