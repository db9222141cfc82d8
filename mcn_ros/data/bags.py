# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Bags of ROS 2 and ROS 1, read without ROS; also what is left of a damaged one.

A robot that loses power leaves a bag without its end, and of a large bag often only some files are
copied. What can be read is read, and what is missing is told.
"""

import contextlib
from pathlib import Path, PurePath
import shutil
import tempfile
from typing import Any, Iterator, NamedTuple, Sequence

from rosbags.highlevel import AnyReader
from rosbags.rosbag2.storage_mcap import zstd
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
import yaml

from mcn_ros.data.database import has_log
from mcn_ros.data.listing import list_files
from mcn_ros.data.mcap import is_indexed, unpack
from mcn_ros.data.rescue import RescuedFile

STORAGE_SUFFIXES = ('.mcap', '.db3')
ROS1_SUFFIX = '.bag'
PACKED_SUFFIX = '.zstd'
FILE_ENDINGS = (*STORAGE_SUFFIXES, *(suffix + PACKED_SUFFIX for suffix in STORAGE_SUFFIXES))
METADATA = 'metadata.yaml'

# How a message begins that is compressed by itself; one that is not begins with 0.
PACKED_START = b'\x28\xb5\x2f\xfd'


class Message(NamedTuple):
    """
    A message of a bag.

    :param topic: where it was recorded.
    :param recorded_ns: time of the recording, nanoseconds.
    :param content: the message, with the fields that its type has in ROS 2.
    """

    topic: str
    recorded_ns: int
    content: Any


def is_bag(path: Path) -> bool:
    """Return whether a path looks like a bag: one of its files, or the folder of them."""
    if path.is_dir():
        return (path / METADATA).is_file() or bool(
            list_files(path, (*FILE_ENDINGS, ROS1_SUFFIX)))
    return path.suffix.lower() in (*STORAGE_SUFFIXES, ROS1_SUFFIX)


class Bag:
    """
    A bag that is open, to be used in a ``with`` statement.

    - ``topics``: topic -> types of its messages, such as 'sensor_msgs/msg/Image'; nearly always
      one, but nodes may publish several on a topic.
    - ``counts``: topic -> number of messages that are there.
    - ``problems``: one line for everything that is missing or cannot be read; it may grow while
      messages are read.

    :param path: the folder of a bag, or one of its files (.mcap, .db3, or .bag of ROS 1).
    :raises ValueError: if nothing of it can be read.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.topics: dict[str, tuple[str, ...]] = {}
        self.problems: list[str] = []
        self.counts: dict[str, int] = {}
        self._counts: dict[tuple[str, str], int] = {}  # by topic and type
        self._stack = contextlib.ExitStack()
        try:
            self._parts = self._open()
        except BaseException:
            self._stack.close()
            raise
        for part in self._parts:
            for topic, msgtype, count in part.contents():
                if not isinstance(topic, str) or not isinstance(msgtype, str):
                    self.problems.append(f'{part.path.name}: {count} messages are of no topic')
                    continue
                self.topics[topic] = tuple(dict.fromkeys((*self.topics.get(topic, ()), msgtype)))
                self.counts[topic] = self.counts.get(topic, 0) + count
                kind = topic, msgtype
                self._counts[kind] = self._counts.get(kind, 0) + count

    def __enter__(self) -> 'Bag':
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def topics_of(self, *types: str) -> list[str]:
        """Return the topics that have messages of one of some types, by name."""
        return sorted(topic for topic, kinds in self.topics.items() if set(kinds) & set(types))

    def count(self, topics: Sequence[str], types: Sequence[str]) -> int:
        """Return the number of messages of some topics that are of some types."""
        return sum(count for (topic, msgtype), count in self._counts.items()
                   if topic in topics and msgtype in types)

    def messages(self, topics: Sequence[str], types: Sequence[str] = ()) -> Iterator[Message]:
        """Yield the messages of some topics, of some types or of all, in order of recording."""
        for part in self._parts:
            kinds = [(topic, msgtype) for topic, msgtype, _ in part.contents()
                     if topic in topics and (not types or msgtype in types)]
            expected = sum(count for topic, msgtype, count in part.contents()
                           if (topic, msgtype) in kinds)
            number, messages = 0, part.messages(kinds)
            while True:
                # The libraries that read files and messages share no exception.
                try:
                    message = next(messages, None)
                except Exception as error:
                    self.problems.append(f'{part.path.name}: the rest cannot be read ({error})')
                    break
                if message is None:
                    if number < expected:
                        self.problems.append(
                            f'{part.path.name}: {expected - number} of {expected} messages on '
                            f'{", ".join(topics)} are missing')
                    break
                number += 1
                yield message

    def _open(self) -> list['_SoundPart | _RescuedPart']:
        ros1 = self._ros1_files()
        if ros1:
            try:
                return [self._sound(ros1)]
            except Exception as error:  # see messages()
                raise ValueError(f'bag {self.path}: {error}') from error
        if not self.path.exists():
            raise ValueError(f'bag {self.path}: does not exist')
        expected, files = self._metadata() if self.path.is_dir() else (None, [self.path])
        parts = []
        for file in files:
            try:
                parts.append(self._open_file(file))
            except (ValueError, OSError) as error:
                self.problems.append(f'{file.name}: cannot be read ({error})')
        if not parts:
            raise ValueError(f'bag {self.path}: nothing of it can be read: '
                             f'{"; ".join(self.problems) or "it has no files"}')
        count_in_files = sum(count for part in parts for _, _, count in part.contents())
        if expected and count_in_files < expected:
            self.problems.append(f'{expected - count_in_files} of {expected} messages are missing')
        return parts

    def _ros1_files(self) -> list[Path]:
        """Return the files of a bag of ROS 1: one, or all of a folder."""
        if self.path.is_dir():
            described = (self.path / METADATA).exists()
            return [] if described else list_files(self.path, (ROS1_SUFFIX,))
        return [self.path] if self.path.suffix.lower() == ROS1_SUFFIX else []

    def _sound(self, paths: Sequence[Path]) -> '_SoundPart':
        # Bags of older ROS 2 versions do not describe their messages.
        store = get_typestore(Stores.LATEST)
        reader = AnyReader(paths, default_typestore=store)
        return _SoundPart(paths[0], self._stack.enter_context(reader))

    def _open_file(self, file: Path) -> '_SoundPart | _RescuedPart':
        """Open one file of a bag of ROS 2; tell what is missing of it."""
        if not file.exists():
            raise ValueError('it is missing')
        if file.suffix == PACKED_SUFFIX:
            file = self._unpacked(file)
        try:
            _check_complete(file)
            part = self._sound([file])
            if part.unknown > 0:
                self.problems.append(f'{file.name}: {part.unknown} messages are of no topic')
            return part
        except Exception as error:  # see messages()
            reason = str(error).replace(str(file), file.name)
        rescued = RescuedFile(file)
        number = sum(rescued.counts.values())
        if not rescued.whole:
            self.problems.append(
                f'{file.name}: is cut off or damaged ({reason}); {number} messages are left, '
                f'the last of {rescued.last_ns / 1e9:.3f} s')
        elif rescued.counted is not None and number < rescued.counted:
            self.problems.append(f'{file.name}: {rescued.counted - number} of {rescued.counted} '
                                 'messages are missing')
        return _RescuedPart(rescued)

    def _unpacked(self, file: Path) -> Path:
        """Unpack a file as far as it goes."""
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix='mcn_bag_'))
        target = Path(folder, file.stem)
        try:
            with zstd.open(file, 'rb') as packed, target.open('wb') as out:
                shutil.copyfileobj(packed, out)
        except (EOFError, zstd.ZstdError) as error:
            self.problems.append(f'{file.name}: is cut off or damaged ({error})')
        return target

    def _metadata(self) -> tuple[int | None, list[Path]]:
        """Return how many messages a bag should have, None for unknown, and its files."""
        path, existing = self.path / METADATA, list_files(self.path, FILE_ENDINGS)
        try:
            content = yaml.safe_load(path.read_bytes())['rosbag2_bagfile_information']
            listed = [self.path / PurePath(name).name for name in content['relative_file_paths']]
            return int(content['message_count']), self._choose_files(listed, existing)
        except OSError:
            self.problems.append(f'{METADATA}: is missing')
        except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError,
                RecursionError):
            self.problems.append(f'{METADATA}: cannot be read')
        return None, existing

    def _choose_files(self, listed: list[Path], existing: list[Path]) -> list[Path]:
        """Return the files that are named, or all that are there if some have other names."""
        missing = ', '.join(file.name for file in listed if file not in existing)
        others = ', '.join(file.name for file in existing if file not in listed)
        if missing and others:
            self.problems.append(f'{METADATA}: names {missing}, which is not there; {others} is '
                                 'read, which it does not name')
            return existing
        if others:
            self.problems.append(f'{others}: is not read, as {METADATA} does not name it')
        return listed


def _check_complete(file: Path) -> None:
    """Raise ValueError for a file of which the library may not find all messages."""
    if file.suffix == '.mcap' and not is_indexed(file):
        raise ValueError('its index does not have all messages')
    if has_log(file):
        raise ValueError('it has a write-ahead log')


class _SoundPart:
    """What the library reads."""

    def __init__(self, path: Path, reader: AnyReader):
        self.path, self._reader = path, reader

    @property
    def unknown(self) -> int:
        """Return how many messages the file counts beyond those of its topics."""
        return self._reader.message_count - sum(count for _, _, count in self.contents())

    def contents(self) -> Iterator[tuple[str, str, int]]:
        """Yield topic, type and number of messages; a topic has one entry per publisher."""
        for connection in self._reader.connections:
            yield connection.topic, connection.msgtype, connection.msgcount

    def messages(self, kinds: Sequence[tuple[str, str]]) -> Iterator[Message]:
        """Yield the messages of some pairs of topic and type."""
        connections = [c for c in self._reader.connections if (c.topic, c.msgtype) in kinds]
        if not connections:  # which would mean all to the library
            return
        for connection, recorded_ns, data in self._reader.messages(connections):
            if self._reader.is2:
                data = _plain(data)
            content = self._reader.deserialize(data, connection.msgtype)
            yield Message(connection.topic, recorded_ns, content)


class _RescuedPart:
    """What is left of a file that the library does not read, or not all of."""

    def __init__(self, file: RescuedFile):
        self.path, self._file = file.path, file

    def contents(self) -> Iterator[tuple[str, str, int]]:
        for number, channel in self._file.channels.items():
            yield channel.topic, channel.msgtype, self._file.counts.get(number, 0)

    def messages(self, kinds: Sequence[tuple[str, str]]) -> Iterator[Message]:
        channels = {number: channel for number, channel in self._file.channels.items()
                    if (channel.topic, channel.msgtype) in kinds}
        store = get_typestore(Stores.LATEST)
        for channel in channels.values():
            if channel.definition and channel.msgtype not in store.types:
                store.register(get_types_from_msg(channel.definition, channel.msgtype))
        for record in self._file.records():
            if record.channel in channels:
                channel = channels[record.channel]
                content = store.deserialize_cdr(_plain(record.data), channel.msgtype)
                yield Message(channel.topic, record.recorded_ns, content)


def _plain(data: bytes) -> bytes:
    """Decompress a message if it is compressed by itself."""
    return unpack(data) if data[:len(PACKED_START)] == PACKED_START else data
