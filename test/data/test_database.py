# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Databases whose recorder was killed: their last messages are in a write-ahead log."""

import shutil
import sqlite3

import pytest

from mcn_ros.data.database import Database, has_log


def write(folder, checkpoint, commit=8):
    """
    Write messages 0 to 7 as a recorder does, and copy the files before it closes them.

    :param checkpoint: before this message, what is in the log is moved into the database.
    :param commit: the messages from this one on are never committed.
    """
    source = folder / 'recorder'
    source.mkdir()
    database = sqlite3.connect(source / 'a b?.db3', isolation_level=None)
    for line in ('PRAGMA journal_mode=WAL', 'PRAGMA wal_autocheckpoint=0',
                 'PRAGMA cache_size=1',  # what is not committed is in the log nevertheless
                 'CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT)',
                 'CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, '
                 'timestamp INTEGER, data BLOB)', "INSERT INTO topics VALUES(1, '/a', 'b')"):
        database.execute(line)
    for number in range(8):
        if number == checkpoint:
            database.execute('PRAGMA wal_checkpoint(FULL)')
        if number == commit:
            database.execute('BEGIN')
        database.execute('INSERT INTO messages(topic_id, timestamp, data) VALUES(1, ?, ?)',
                         (number, bytes([number]) * 5000))
    copy = folder / 'copy'
    copy.mkdir()
    for file in source.iterdir():
        if not file.name.endswith('-shm'):
            shutil.copy(file, copy / file.name)
    database.close()
    return copy / 'a b?.db3'


def content(folder):
    """Return the content of all files, and when they were changed."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.mark.parametrize('checkpoint, commit', [(8, 8), (3, 8), (0, 8), (2, 6)])
def test_the_log_is_read_and_left_as_it_is(tmp_path, checkpoint, commit):
    file = write(tmp_path, checkpoint, commit)
    before = content(file.parent)
    assert has_log(file)
    database = Database(file)
    assert [record.recorded_ns for record in database.records()] == list(range(commit))
    assert database.whole and content(file.parent) == before


@pytest.mark.parametrize('kept', [0, 20, 9000, 20000])
def test_a_log_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path, kept):
    file = write(tmp_path, 3)
    log = file.with_name(f'{file.name}-wal')
    log.write_bytes(log.read_bytes()[:kept])
    before = content(file.parent)
    found = [record.recorded_ns for record in Database(file).records()]
    assert found == list(range(len(found))) and 3 <= len(found) < 8
    assert content(file.parent) == before
